"""The operator's view of runs: to be read. Texts are not shown: operating is not reading along."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from apps.catalog.admin import ReadOnly
from apps.inference.models import (
    Checkpoint,
    Delivery,
    OutboxRow,
    Output,
    Quota,
    Run,
    StepRun,
    Usage,
)

# Names of fields that hold what people or models wrote.
CONTENT = {"messages", "prompt", "text", "token_ids", "payload", "context", "inputs", "error_data"}
SHOWN = ("key", "status", "attempt", "deaths", "lease_owner", "lease_until", "error_code")


class WithoutContent(ReadOnly):
    """Rows without what people or models wrote: those columns are neither shown nor read."""

    show_full_result_count = False

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Leave out every field that holds content."""
        return [field.name for field in self.opts.fields if field.name in CONTENT]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Leave the columns in the database, too."""
        return super().get_queryset(request).defer(*self.get_exclude(request))


class StepInline(admin.TabularInline):
    """The steps of a run, without their words."""

    model = StepRun
    fields = readonly_fields = SHOWN
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(Run)
class RunAdmin(WithoutContent):
    """Runs and where they stand."""

    list_display = ["id", "organization", "trigger", "status", "created_at", "finished_at"]
    list_filter = ["status"]
    search_fields = ["id", "subject_id", "actor__email"]
    inlines = [StepInline]


@admin.register(StepRun)
class StepRunAdmin(WithoutContent):
    """Steps, with attempts and leases."""

    list_display = ["queued_at", "run", "label", "status", "attempt", "deaths", "error_code"]
    list_filter = ["status", "error_code", "pool"]
    search_fields = ["id", "run__id", "lease_owner"]


@admin.register(Checkpoint)
class CheckpointAdmin(WithoutContent):
    """What is saved of a step while it writes."""

    list_display = ["saved_at", "step", "variant", "attempt"]
    search_fields = ["step__id"]


@admin.register(Output)
class OutputAdmin(WithoutContent):
    """Outputs: by which model, in what time."""

    list_display = ["created_at", "organization", "model_version", "finish_reason", "new_tokens"]
    list_filter = ["finish_reason"]
    search_fields = ["id", "step_run__id"]
    list_select_related = ["organization", "model_version"]


@admin.register(OutboxRow)
class OutboxRowAdmin(WithoutContent):
    """What happened."""

    list_display = ["id", "kind", "subject_kind", "subject_id", "created_at"]
    list_filter = ["kind"]
    search_fields = ["subject_id"]


@admin.register(Delivery)
class DeliveryAdmin(WithoutContent):
    """Who was told, and who could not take it."""

    list_display = ["row", "consumer", "tries", "delivered_at", "given_up_at", "error"]
    list_filter = ["consumer", "given_up_at"]
    search_fields = ["row__subject_id"]


@admin.register(Usage)
class UsageAdmin(WithoutContent):
    """The ledger."""

    list_display = ["at", "organization", "division", "actor", "prompt_tokens", "new_tokens"]
    list_select_related = ["organization", "division", "actor"]


@admin.register(Quota)
class QuotaAdmin(ReadOnly):
    """Limits: set in the organization's console, where an event is left."""

    list_display = ["organization", "division", "user", "tokens_per_day", "alerted_on"]
    list_select_related = ["organization", "division", "user"]
