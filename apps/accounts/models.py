"""People who sign in."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.core.ids import uuid7

CARET_COLORS = 8  # the palette lies in static/core: --caret-0 … --caret-7


class UserManager(BaseUserManager["User"]):
    """Create users by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Return a new, saved user; an address differs only by more than its case."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Return a new operator of the instance."""
        flags: Mapping[str, bool] = {"is_staff": True, "is_superuser": True}
        return self.create_user(email, password, **{**fields, **flags})

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of an address, whatever its case."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """One person, in any number of organizations."""

    class Theme(models.TextChoices):
        """How the pages look to this person."""

        SYSTEM = "system", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=80)
    caret_color = models.PositiveSmallIntegerField(_("colour"), default=0)
    theme = models.CharField(_("theme"), max_length=8, choices=Theme.choices, default=Theme.SYSTEM)
    language = models.CharField(_("language"), max_length=8, default="en")
    ai_enabled = models.BooleanField(_("models may write for me"), default=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(_("operator of the instance"), default=False)
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """Return the name that others see."""
        return str(self)

    def get_short_name(self) -> str:
        """Return the first word of the name."""
        return str(self).split(" ")[0]

    @property
    def initials(self) -> str:
        """Return one or two letters for the avatar."""
        words = [word for word in str(self).split() if word[0].isalnum()]
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"
