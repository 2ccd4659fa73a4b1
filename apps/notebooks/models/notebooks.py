"""Notebooks, who wrote and who looked, and their pictures."""

from typing import Self

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.core.ids import uuid7
from apps.organizations.models import Organization, Workspace


class NotebookQuerySet(models.QuerySet["Notebook"]):
    """Filters on notebooks."""

    def alive(self) -> Self:
        """Leave out the trash."""
        return self.filter(trashed_at__isnull=True)

    def trashed(self) -> Self:
        """Keep the trash only."""
        return self.filter(trashed_at__isnull=False)


class Notebook(models.Model):
    """A document that a team writes together. Its title lives here, its text in DocUpdate."""

    class Audience(models.TextChoices):
        """Who may open it without being asked in."""

        WORKSPACE = "workspace", _("Everyone in the workspace, by their role")
        PRIVATE = "private", _("Only people it is shared with")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="notebooks")
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="notebooks")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="notebooks")
    title = models.CharField(_("title"), max_length=200)
    slug = models.SlugField(max_length=80)  # its name in references, kept when the title changes
    audience = models.CharField(max_length=10, choices=Audience.choices, default=Audience.WORKSPACE)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    edited_at = models.DateTimeField(default=timezone.now)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    trashed_at = models.DateTimeField(null=True, blank=True)
    trashed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = NotebookQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "slug"], name="notebook_slug_once"),
        ]
        indexes = [
            models.Index(fields=["organization", "-edited_at"], name="notebook_by_edit"),
        ]

    def __str__(self) -> str:
        return self.title or str(_("Untitled"))


class Contribution(models.Model):
    """That a person has written in a notebook, since when, and last when."""

    id = models.BigAutoField(primary_key=True)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="contributions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="contributions")
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["notebook", "user"], name="contribution_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.notebook_id}"


class Visit(models.Model):
    """When a person last opened a notebook: the list's "recent"."""

    id = models.BigAutoField(primary_key=True)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="visits")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="visits")
    opened_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notebook", "user"], name="visit_once")]

    def __str__(self) -> str:
        return f"{self.user_id} opened {self.notebook_id}"


class Image(models.Model):
    """A picture in a notebook. Its file is opened only through the notebook's gate."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="images")
    file = models.FileField(upload_to="notebooks/images/%Y/%m/", max_length=200)
    sha256 = models.CharField(max_length=64)
    mime = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size_bytes = models.PositiveIntegerField()
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.mime}, {self.width} x {self.height}"

    def get_absolute_url(self) -> str:
        """Return where the picture is served to those who may open its notebook."""
        return reverse("notebooks:image", args=[self.notebook_id, self.pk])
