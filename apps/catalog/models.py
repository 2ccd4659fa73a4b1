"""Models that this installation owns: family > version > variant, and what serves an alias."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.core.ids import uuid7
from apps.organizations.models import Organization

WRITER = "writer"  # the alias of every prompt cell that asks for nothing else
DEFAULT_POOL = "inference"


class ModelFamily(models.Model):
    """A line of models; without an organization it belongs to the whole instance."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        Organization, models.CASCADE, null=True, blank=True, related_name="model_families"
    )
    slug = models.SlugField(max_length=60)
    name = models.CharField(_("name"), max_length=80)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "model families"
        constraints = [
            models.UniqueConstraint(fields=["organization", "slug"], name="family_slug_once"),
            models.UniqueConstraint(
                fields=["slug"],
                condition=Q(organization__isnull=True),
                name="family_slug_once_shared",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ModelVersion(models.Model):
    """One state of the weights. Its id enters the input hash of every step that it serves."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    family = models.ForeignKey(ModelFamily, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children"
    )
    digest = models.CharField(max_length=80)  # of the source artifact
    licence = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["family", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["family", "digest"], name="version_digest_once"),
        ]

    def __str__(self) -> str:
        return f"{self.family} {self.number}"


class Variant(models.Model):
    """A version made ready for serving: an artifact on disk and how fast it was here."""

    class Root(models.TextChoices):
        """The folder that the path counts from; nothing else is ever opened."""

        SHIPPED = "shipped", _("With the source")
        DATA = "data", _("Under DATA_DIR")
        REMOTE = "remote", _("At another server")  # there is no folder; its endpoint says where

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="variants")
    name = models.CharField(max_length=40)  # how it was made: bf16, int8, …
    root = models.CharField(max_length=10, choices=Root.choices, default=Root.DATA)
    path = models.CharField(max_length=200)
    digest = models.CharField(max_length=80)
    manifest = models.JSONField(default=dict)
    size_bytes = models.PositiveBigIntegerField(default=0)
    context_tokens = models.PositiveIntegerField(null=True, blank=True)
    decode_tokens_per_s = models.FloatField(null=True, blank=True)
    prefill_tokens_per_s = models.FloatField(null=True, blank=True)
    measured_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    removed_at = models.DateTimeField(
        null=True, blank=True
    )  # its files are gone; texts refer to it

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(root__in=["shipped", "data", "remote"]), name="variant_root_known"
            ),
            models.UniqueConstraint(fields=["version", "digest"], name="variant_digest_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version}, {self.name}"

    @property
    def folder(self) -> Path:
        """Return where the artifact lies on this machine."""
        base = settings.BASE_DIR if self.root == self.Root.SHIPPED else settings.DATA_DIR
        return Path(base) / self.path


class RemoteEndpoint(models.Model):
    """Where another server serves a variant: any that speaks OpenAI's language (vLLM and others)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    variant = models.OneToOneField(Variant, models.CASCADE, related_name="endpoint")
    base_url = models.CharField(max_length=300)  # up to and with /v1
    model_name = models.CharField(max_length=200)  # as the server calls it
    key_sealed = models.BinaryField(blank=True, editable=False)  # see sealing.py; empty: none
    extended = models.BooleanField(default=False)  # knows vLLM's further parameters
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["base_url", "model_name"], name="endpoint_model_once"),
        ]

    def __str__(self) -> str:
        return f"{self.model_name} at {self.base_url}"


class Deployment(models.Model):
    """A variant that answers to an alias, for one organization or for the whole instance."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        Organization, models.CASCADE, null=True, blank=True, related_name="deployments"
    )
    alias = models.SlugField(max_length=40)
    label = models.CharField(max_length=60)  # what people read: "Writer"
    variant = models.ForeignKey(Variant, models.PROTECT, related_name="deployments")
    pool = models.SlugField(max_length=40, default=DEFAULT_POOL)  # the queue of its workers
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "alias"],
                condition=Q(retired_at__isnull=True),
                name="deployment_one_per_alias",
            ),
            models.UniqueConstraint(
                fields=["alias"],
                condition=Q(retired_at__isnull=True, organization__isnull=True),
                name="deployment_one_per_alias_shared",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.variant}"


class ImportQuerySet(models.QuerySet["ModelImport"]):
    """Filters on imports."""

    def under_way(self) -> Self:
        """Keep those that are being fetched, or wait for it."""
        return self.filter(status__in=[ModelImport.Status.WAITING, ModelImport.Status.RUNNING])


class ModelImport(models.Model):
    """A model that somebody wants here: what was found out about it, and how far its files are."""

    class Source(models.TextChoices):
        """Where it comes from."""

        HUB = "hub", _("Model hub")
        FOLDER = "folder", _("Folder on this machine")

    class Status(models.TextChoices):
        """Where it stands."""

        FOUND = "found", _("Looked at")
        WAITING = "waiting", _("Waits for a worker")
        RUNNING = "running", _("Being fetched")
        READY = "ready", _("Here")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(  # whose log tells of it; the model is for everybody
        Organization, models.CASCADE, related_name="model_imports"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    source = models.CharField(max_length=10, choices=Source.choices)
    origin = models.CharField(max_length=400)  # owner/name at the hub, or the folder's path
    revision = models.CharField(max_length=80, blank=True)  # the hub's commit
    name = models.CharField(max_length=80)
    licence = models.CharField(max_length=60, blank=True)
    architecture = models.CharField(max_length=80)
    form = models.CharField(max_length=20)  # how the engine runs it: engine.families.Form
    parameters = models.PositiveBigIntegerField(null=True, blank=True)
    context_tokens = models.PositiveIntegerField()  # as many as are used here
    context_possible = models.PositiveIntegerField()  # as many as the model could
    files = models.JSONField(default=list)  # of {name, size_bytes, sha256, blob_sha1}
    size_bytes = models.PositiveBigIntegerField()
    done_bytes = models.PositiveBigIntegerField(default=0)
    bytes_per_s = models.FloatField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.FOUND)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(
        default=0
    )  # that brought nothing, one after another
    holder = models.CharField(max_length=40, blank=True)  # the worker's word that is in force
    variant = models.ForeignKey(
        Variant, models.SET_NULL, null=True, blank=True, related_name="imports"
    )
    created_at = models.DateTimeField(default=timezone.now)
    moved_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    status__in=["found", "waiting", "running", "ready", "failed", "cancelled"]
                ),
                name="import_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.origin}@{self.revision[:8]}" if self.revision else self.origin

    @property
    def percent(self) -> int:
        """Return how far the files are, from 0 to 100."""
        return min(100, int(100 * self.done_bytes / self.size_bytes)) if self.size_bytes else 0

    @property
    def time_left(self) -> timedelta | None:
        """Return how long the rest takes at the present speed; None while that is unknown."""
        if not self.bytes_per_s:
            return None
        rest = max(0, self.size_bytes - self.done_bytes)
        return timedelta(seconds=int(rest / self.bytes_per_s) + 1)

    @property
    def is_under_way(self) -> bool:
        """Say whether a worker is at it, or will be."""
        return self.status in {self.Status.WAITING, self.Status.RUNNING}


class Trial(models.Model):
    """A short text that somebody has a model write, to see whether it is any good; kept for a day."""

    class Status(models.TextChoices):
        """Where it stands."""

        WAITING = "waiting", _("Waits for a worker")
        RUNNING = "running", _("Being written")
        DONE = "done", _("Written")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="trials")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    variant = models.ForeignKey(Variant, models.CASCADE, related_name="trials")
    prompt = models.TextField(max_length=2000)
    text = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    error = models.TextField(blank=True)
    new_tokens = models.PositiveIntegerField(default=0)
    tokens_per_s = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    moved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "running", "done", "failed"]),
                name="trial_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"trial of {self.variant}"

    @property
    def is_under_way(self) -> bool:
        """Say whether a worker is at it, or will be."""
        return self.status in {self.Status.WAITING, self.Status.RUNNING}
