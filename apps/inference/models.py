"""Runs of steps, what they wrote, and the outbox that tells others. The database is the state machine."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.catalog.models import Deployment, ModelVersion, Variant
from apps.core.ids import uuid7
from apps.inference import failures
from apps.inference.specs import Subject
from apps.organizations.models import Division, Organization


class RunStatus(models.TextChoices):
    """Where a run stands."""

    QUEUED = "queued", _("Waiting")  # for a free place within the limits
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Stopped")


class StepStatus(models.TextChoices):
    """Where a step stands."""

    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Starting")  # a worker holds it
    STREAMING = "streaming", _("Writing")  # and words arrive
    SUCCEEDED = "succeeded", _("Done")
    CACHED = "cached", _("Known already")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Stopped")


RUN_OVER = [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED]
STEP_HELD = [StepStatus.RUNNING, StepStatus.STREAMING]
STEP_DONE = [StepStatus.SUCCEEDED, StepStatus.CACHED]
STEP_OVER = [*STEP_DONE, StepStatus.FAILED, StepStatus.CANCELLED]


class RunQuerySet(models.QuerySet["Run"]):
    """Filters on runs."""

    def of(self, subject: Subject) -> Self:
        """Keep the runs of one subject."""
        return self.filter(subject_kind=subject.kind, subject_id=subject.id)

    def shown_to(self, *subjects: Subject) -> Self:
        """Keep the runs that whoever looks at the subjects sees: their own, and what writes there."""
        topics = [subject.topic for subject in subjects]
        shown = Q(Exists(StepRun.objects.filter(run=OuterRef("pk"), topic__in=topics)))
        for kind in {subject.kind for subject in subjects}:
            ids = [subject.id for subject in subjects if subject.kind == kind]
            shown |= Q(subject_kind=kind, subject_id__in=ids)
        return self.filter(shown)

    def going_on(self) -> Self:
        """Keep the runs that are not over."""
        return self.filter(status__in=[RunStatus.QUEUED, RunStatus.RUNNING])

    def waiting_line(self, organization_id: object) -> Self:
        """Return the organization's runs that wait for a place, the next one first."""
        waiting = self.filter(organization=organization_id, status=RunStatus.QUEUED)
        return waiting.order_by("created_at", "pk")


class Run(models.Model):
    """One press of "Update": steps that belong together."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="runs")
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=60)
    trigger = models.CharField(max_length=40, default="update")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="runs"
    )
    idempotency_key = models.CharField(max_length=120)
    status = models.CharField(max_length=10, choices=RunStatus.choices, default=RunStatus.QUEUED)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    retry_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="retries"
    )
    division = models.ForeignKey(  # whose tokens it spends
        Division, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    woken_at = models.DateTimeField(null=True, blank=True)  # when a worker was last called
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject_kind", "subject_id", "idempotency_key"], name="run_once_per_key"
            ),
            models.CheckConstraint(
                condition=Q(status__in=RunStatus.values), name="run_status_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["subject_kind", "subject_id", "-created_at"], name="run_by_subject"
            ),
            models.Index(
                fields=["organization", "created_at"],
                condition=Q(status__in=["queued", "running"]),
                name="run_going_on",
            ),
            # What the console lists, newest first, and what /metrics counts of the last minutes.
            models.Index(fields=["organization", "-created_at", "-id"], name="run_by_time"),
            models.Index(
                fields=["organization", "status", "-created_at", "-id"], name="run_by_state"
            ),
            models.Index(fields=["-created_at", "status"], name="run_lately"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.subject_kind} {self.subject_id}"

    @property
    def subject(self) -> Subject:
        """Return what the run belongs to."""
        return Subject(kind=self.subject_kind, id=self.subject_id)

    @property
    def is_over(self) -> bool:
        """Say whether nothing more will happen."""
        return self.status in RUN_OVER


class StepRun(models.Model):
    """One step: a prompt that a model answers, perhaps in several variants."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, models.CASCADE, related_name="steps")
    key = models.CharField(max_length=120)
    label = models.CharField(max_length=120, blank=True)
    position = models.PositiveIntegerField()
    topic = models.CharField(max_length=101)  # of the subject whose viewers see the words
    depends_on = models.JSONField(default=list)  # keys within the run
    messages = models.JSONField()
    params = models.JSONField()
    seed = models.PositiveBigIntegerField()
    context = models.JSONField(default=dict)  # the owner's, handed back with every event
    input_hash = models.CharField(max_length=64, blank=True)  # once every input is known
    alias = models.CharField(max_length=40)
    deployment = models.ForeignKey(Deployment, models.PROTECT, null=True, related_name="+")
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, null=True, related_name="+")
    pool = models.CharField(max_length=40)
    status = models.CharField(max_length=10, choices=StepStatus.choices, default=StepStatus.QUEUED)
    attempt = models.PositiveIntegerField(default=0)  # the fence: grows with every claim
    deaths = models.PositiveSmallIntegerField(default=0)  # leases that ran out during this step
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    cached_output = models.ForeignKey(
        "Output", models.PROTECT, null=True, blank=True, related_name="+"
    )
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    first_token_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    new_tokens = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True)
    error_data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="step_once_per_key"),
            models.CheckConstraint(
                condition=Q(status__in=StepStatus.values), name="step_status_known"
            ),
            models.CheckConstraint(
                condition=(
                    Q(status__in=["running", "streaming"], lease_until__isnull=False)
                    & ~Q(lease_owner="")
                )
                | (~Q(status__in=["running", "streaming"]) & Q(lease_until__isnull=True)),
                name="step_held_means_leased",
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(error_code=""), name="step_failed_says_why"
            ),
        ]
        indexes = [
            models.Index(
                fields=["lease_until"],
                condition=Q(status__in=["running", "streaming"]),
                name="step_by_lease",
            ),
            models.Index(fields=["key", "input_hash"], name="step_by_input"),
            models.Index(fields=["topic", "-queued_at"], name="step_by_topic"),
            models.Index(
                fields=["pool", "queued_at"], condition=Q(status="queued"), name="step_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label or self.key} of {self.run_id}"

    @property
    def variants(self) -> int:
        """Return how many texts were asked for."""
        return int(self.params["variants"])

    @property
    def error(self) -> str:
        """Return why the step was not written, in words; empty when nothing is wrong."""
        return failures.words(self.error_code, self.error_data)


class Checkpoint(models.Model):
    """What a variant had written so far: what a viewer who joins reads, where another worker goes on."""

    id = models.BigAutoField(primary_key=True)
    step = models.ForeignKey(StepRun, models.CASCADE, related_name="checkpoints")
    variant = models.PositiveSmallIntegerField()
    attempt = models.PositiveIntegerField()
    text = models.TextField()
    token_ids = models.JSONField(default=list)
    saved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["step", "variant"], name="checkpoint_once"),
        ]

    def __str__(self) -> str:
        return f"{len(self.text)} characters of {self.step_id}, variant {self.variant}"


class Output(models.Model):
    """A finished text with everything that led to it. Never changed; erasure replaces the text."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="outputs")
    step_run = models.ForeignKey(StepRun, models.CASCADE, related_name="outputs")
    variant = models.PositiveSmallIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    finish_reason = models.CharField(max_length=20)
    model_version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="outputs")
    model_variant = models.ForeignKey(Variant, models.PROTECT, related_name="outputs")
    prompt = models.JSONField()  # messages, every segment with the text that stood there
    inputs = models.JSONField(default=list)  # [{"ref", "output" or null}]
    input_hash = models.CharField(max_length=64)
    params = models.JSONField()
    seed = models.PositiveBigIntegerField()
    prompt_tokens = models.PositiveIntegerField()
    new_tokens = models.PositiveIntegerField()
    waited_s = models.FloatField()
    first_token_s = models.FloatField(null=True)
    total_s = models.FloatField()
    created_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)  # then the text is empty

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["step_run", "variant"], name="output_once"),
        ]
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="output_by_time"),
            models.Index(fields=["-created_at"], name="output_lately"),
        ]

    def __str__(self) -> str:
        return f"output {self.pk} of {self.step_run_id}, variant {self.variant}"


class OutboxRow(models.Model):
    """Something that happened, kept until everyone who wants to know was told."""

    class Kind(models.TextChoices):
        """What can happen."""

        OUTPUT_COMMITTED = "output.committed"
        RUN_FINISHED = "run.finished"

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+")
    subject_kind = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=60)
    kind = models.CharField(max_length=30, choices=Kind.choices)
    payload = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def subject(self) -> Subject:
        """Return what it happened to."""
        return Subject(kind=self.subject_kind, id=self.subject_id)


class Delivery(models.Model):
    """That one consumer is to be told of one row."""

    id = models.BigAutoField(primary_key=True)
    row = models.ForeignKey(OutboxRow, models.CASCADE, related_name="deliveries")
    consumer = models.CharField(max_length=60)
    not_before = models.DateTimeField(default=timezone.now)  # moves on with each try
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["row", "consumer"], name="delivery_once"),
        ]
        indexes = [
            models.Index(
                fields=["consumer", "row"],
                condition=Q(delivered_at__isnull=True, given_up_at__isnull=True),
                name="delivery_open",
            ),
            models.Index(
                fields=["given_up_at"],
                condition=Q(given_up_at__isnull=False),
                name="delivery_given_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.row_id} to {self.consumer}"


class Usage(models.Model):
    """The tokens of one output, as committed: the ledger. Only ever added."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="usage")
    division = models.ForeignKey(Division, models.SET_NULL, null=True, related_name="+")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    output = models.OneToOneField(Output, models.SET_NULL, null=True, related_name="usage")
    prompt_tokens = models.PositiveIntegerField()
    new_tokens = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "usage"
        indexes = [
            models.Index(fields=["organization", "at"], name="usage_by_time"),
            models.Index(fields=["at"], name="usage_lately"),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_tokens} + {self.new_tokens} tokens"


class Quota(models.Model):
    """How many tokens may be spent in a day (UTC): by all, by a division with those below, by a person."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="quotas")
    division = models.ForeignKey(Division, models.CASCADE, null=True, blank=True, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+"
    )
    tokens_per_day = models.PositiveBigIntegerField()
    alerted_on = models.DateField(null=True, blank=True)  # when admins were last told

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(division__isnull=True) | Q(user__isnull=True), name="quota_one_scope"
            ),
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(division__isnull=True, user__isnull=True),
                name="quota_once_per_organization",
            ),
            models.UniqueConstraint(
                fields=["division"],
                condition=Q(division__isnull=False),
                name="quota_once_per_division",
            ),
            models.UniqueConstraint(
                fields=["organization", "user"],
                condition=Q(user__isnull=False),
                name="quota_once_per_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tokens_per_day} tokens a day for {self.user or self.division or self.organization}"
