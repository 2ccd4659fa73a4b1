"""What people made of models' outputs: feedback, edit records, and who lets which text be learned from.

Knows outputs (apps.inference) and organizations; of notebooks only ids and names, as the facts were then.
"""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.core.ids import uuid7
from apps.inference.models import Output
from apps.organizations.models import Division, Organization, Workspace


class Feedback(models.Model):
    """What a person said about an output, or showed by what they did with it."""

    class Kind(models.TextChoices):
        """The ways to say it."""

        THUMBS_UP = "thumbs_up", _("Good")
        THUMBS_DOWN = "thumbs_down", _("Not good")
        CHOOSE_OVER = "choose_over", _("Chosen over another")  # `over` is the one passed over
        REGENERATE = "regenerate", _("Asked for another one")
        ACCEPT = "accept", _("Adopted")
        DISMISS = "dismiss", _("Put away")

    class Reason(models.TextChoices):
        """Why an output is not good, in marketing's words."""

        FACTS = "facts", _("Facts are wrong")
        VOICE = "voice", _("Not our voice")
        LENGTH = "length", _("Too long or too short")
        OFF_BRIEF = "off_brief", _("Ignores the brief")
        REPETITIVE = "repetitive", _("Repeats itself")
        OTHER = "other", _("Something else")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="feedback")
    output = models.ForeignKey(Output, models.CASCADE, related_name="feedback")
    over = models.ForeignKey(Output, models.CASCADE, null=True, blank=True, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="feedback"
    )
    kind = models.CharField(max_length=12, choices=Kind.choices)
    reasons = models.JSONField(default=list, blank=True)  # of Reason
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        "thumbs_up",
                        "thumbs_down",
                        "choose_over",
                        "regenerate",
                        "accept",
                        "dismiss",
                    ]
                ),
                name="feedback_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(kind="choose_over", over__isnull=False)
                | (~Q(kind="choose_over") & Q(over__isnull=True)),
                name="feedback_over_another",
            ),
            models.UniqueConstraint(
                fields=["output", "user"],
                condition=Q(kind__in=["thumbs_up", "thumbs_down"]),
                name="feedback_one_thumb",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="feedback_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.output_id}"


class EditRecord(models.Model):
    """What stood in a cell when it settled, beside the output that it began with. Never changed."""

    class Settle(models.TextChoices):
        """What made the text final, from the strongest to the weakest."""

        APPROVED = "approved", _("Approved")  # once there are approvals
        PUBLISHED = "published", _("Published")
        RELEASED = "released", _("Released")
        DOWNLOADED = "downloaded", _("Downloaded")
        IDLE = "idle", _("Untouched for a day")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="edit_records")
    division = models.ForeignKey(
        Division, models.SET_NULL, null=True, blank=True, related_name="edit_records"
    )
    workspace = models.ForeignKey(
        Workspace, models.SET_NULL, null=True, blank=True, related_name="edit_records"
    )
    notebook_id = models.UUIDField(db_index=True)
    notebook_title = models.CharField(max_length=200, blank=True)
    cell_id = models.UUIDField()
    cell_name = models.CharField(max_length=41)
    output = models.ForeignKey(Output, models.CASCADE, related_name="edit_records")
    settle = models.CharField(max_length=10, choices=Settle.choices)
    final_text = models.TextField()
    final_sha256 = models.CharField(max_length=64)
    distance = models.FloatField()  # normalised Levenshtein from the output's text, 0 to 1
    kept_chars = models.PositiveIntegerField()  # of the output's, by the marks in the document
    output_chars = models.PositiveIntegerField()
    document_seq = models.PositiveBigIntegerField()  # of the document that was read
    settled_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)  # then the text is empty

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(settle__in=["approved", "published", "released", "downloaded", "idle"]),
                name="edit_record_settle_known",
            ),
            models.CheckConstraint(
                condition=Q(distance__gte=0, distance__lte=1), name="edit_record_distance"
            ),
            models.CheckConstraint(
                condition=Q(kept_chars__lte=models.F("output_chars")), name="edit_record_kept"
            ),
            models.UniqueConstraint(
                fields=["output", "cell_id", "settle", "document_seq"], name="edit_record_once"
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-settled_at"], name="edit_record_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.get_settle_display()}: {self.cell_name} of {self.notebook_title}"

    @property
    def kept_ratio(self) -> float:
        """Return the share of the output's characters that still stood, 0 to 1."""
        return self.kept_chars / self.output_chars if self.output_chars else 0.0


class RecordEditor(models.Model):
    """That a person wrote in the cell between the output and the record."""

    id = models.BigAutoField(primary_key=True)
    record = models.ForeignKey(EditRecord, models.CASCADE, related_name="editors")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["record", "user"], name="record_editor_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.record_id}"


class PromptWriter(models.Model):
    """That words of a person stood in what the model was asked: an instruction, or a text it read."""

    id = models.BigAutoField(primary_key=True)
    record = models.ForeignKey(EditRecord, models.CASCADE, related_name="prompt_writers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["record", "user"], name="prompt_writer_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} before {self.record_id}"


class Consent(models.Model):
    """That a person or those who manage a notebook said: do not learn from this. Withdrawn, not deleted."""

    class Subject(models.TextChoices):
        """What it covers."""

        USER = "user", _("All that a person writes")
        NOTEBOOK = "notebook", _("A notebook")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Nothing for a person's own: it holds wherever they write.
    organization = models.ForeignKey(
        Organization, models.CASCADE, null=True, blank=True, related_name="consents"
    )
    subject_kind = models.CharField(max_length=10, choices=Subject.choices)
    subject_id = models.UUIDField()
    denied_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    denied_at = models.DateTimeField(default=timezone.now)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(subject_kind__in=["user", "notebook"]), name="consent_subject_known"
            ),
            models.UniqueConstraint(
                fields=["subject_kind", "subject_id"],
                condition=Q(withdrawn_at__isnull=True),
                name="consent_denied_once",
            ),
        ]

    def __str__(self) -> str:
        return f"no learning from {self.subject_kind} {self.subject_id}"


class PackageQuerySet(models.QuerySet["Package"]):
    """Filters on packages."""

    def open(self) -> Self:
        """Keep those that are being packed or can still be fetched."""
        return self.filter(expires_at__gt=timezone.now())


class Package(models.Model):
    """Examples to train on that were too many for an answer: packed by a worker, fetched within a day."""

    class Status(models.TextChoices):
        """Where it stands."""

        WAITING = "waiting", _("Being packed")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="packages")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    asked = models.JSONField(default=dict)  # the filter
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    done = models.PositiveIntegerField(default=0)  # outputs that were looked at
    total = models.PositiveIntegerField(default=0)  # outputs that fit; 0 before they were counted
    rows = models.JSONField(default=dict)  # examples by file
    file = models.FileField(upload_to="learning/", max_length=200, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    moved_at = models.DateTimeField(default=timezone.now)  # when it last got further
    expires_at = models.DateTimeField(db_index=True)

    objects = PackageQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["waiting", "ready", "failed"]), name="package_status_known"
            ),
        ]

    def __str__(self) -> str:
        return f"examples of {self.organization_id}"

    @property
    def percent(self) -> int:
        """Return how much of it is done."""
        return min(100, round(100 * self.done / self.total)) if self.total else 0

    @property
    def examples(self) -> int:
        """Return how many examples are in it."""
        return sum(self.rows.values())
