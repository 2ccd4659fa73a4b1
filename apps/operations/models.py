"""Exports of what an organization owns, and the backups of the instance that were made."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.core.ids import uuid7
from apps.organizations.models import Organization


class ExportQuerySet(models.QuerySet["Export"]):
    """Filters on exports."""

    def open(self) -> Self:
        """Keep those that are being made or can still be fetched."""
        return self.filter(expires_at__gt=timezone.now())


class Export(models.Model):
    """Everything that an organization owns, as a file that an owner fetches within a few days."""

    class Status(models.TextChoices):
        """Where it stands."""

        WAITING = "waiting", _("Being put together")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="exports")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    file = models.FileField(upload_to="exports/", max_length=200, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()

    objects = ExportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "ready", "failed"]), name="export_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"export of {self.organization_id}"


class Backup(models.Model):
    """That a backup of the whole instance was made: how old the last one is, tells the console."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    file_name = models.CharField(max_length=200)
    size_bytes = models.PositiveBigIntegerField()
    row_count = models.PositiveBigIntegerField()
    file_count = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)  # of the manifest, in which all others stand
    started_at = models.DateTimeField()  # what was acknowledged by then is in it
    finished_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-finished_at"]

    def __str__(self) -> str:
        return f"backup of {self.started_at:%Y-%m-%d %H:%M}"
