"""Who may open a notebook besides the people of its workspace."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.core.ids import uuid7
from apps.notebooks.models.notebooks import Notebook
from apps.organizations.models import Division
from apps.organizations.policy import Level


class ShareGrant(models.Model):
    """A level on one notebook for a person, a division, or whoever in the organization has a link."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="grants")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="grants"
    )
    division = models.ForeignKey(Division, models.CASCADE, null=True, blank=True)
    link_sha256 = models.CharField(max_length=64, unique=True, null=True, blank=True)
    level = models.PositiveSmallIntegerField(
        choices=[(int(level), level.name.lower()) for level in Level if level]
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    # A person who opened a link holds a grant of their own that ends with the link's.
    through_link = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="opened"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, division__isnull=True, link_sha256__isnull=True)
                | Q(user__isnull=True, division__isnull=False, link_sha256__isnull=True)
                | Q(user__isnull=True, division__isnull=True, link_sha256__isnull=False),
                name="grant_one_principal",
            ),
            models.UniqueConstraint(
                fields=["notebook", "user", "through_link"],
                condition=Q(user__isnull=False),
                name="grant_once_per_person",
            ),
            # The one above lets several through: no NULL equals another.
            models.UniqueConstraint(
                fields=["notebook", "user"],
                condition=Q(user__isnull=False, through_link__isnull=True),
                name="grant_once_per_person_directly",
            ),
            models.UniqueConstraint(
                fields=["notebook", "division"],
                condition=Q(division__isnull=False),
                name="grant_once_per_division",
            ),
        ]

    def __str__(self) -> str:
        return f"{Level(self.level).name.lower()} on {self.notebook_id}"
