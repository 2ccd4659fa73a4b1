"""The operator's view of runs: to be read. Texts are not shown: operating is not reading along."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.catalog.admin import ReadOnly
from apps.inference.models import Delivery, OutboxRow, Run, StepRun

SHOWN = ("key", "status", "attempt", "deaths", "lease_owner", "lease_until", "error_code")


class StepInline(admin.TabularInline):
    """The steps of a run, without their words."""

    model = StepRun
    fields = readonly_fields = SHOWN
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class StepInline(admin.TabularInline):
    """The steps of a run, without their words."""

    model = StepRun
    fields = readonly_fields = (
        "key",
        "status",
        "attempt",
        "deaths",
        "lease_owner",
        "lease_until",
        "error_code",
    )
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(Run)
class RunAdmin(ReadOnly):
    """Runs and where they stand."""

    list_display = ["id", "organization", "trigger", "status", "created_at", "finished_at"]
    list_filter = ["status"]
    inlines = [StepInline]


@admin.register(OutboxRow)
class OutboxRowAdmin(ReadOnly):
    """What happened."""

    list_display = ["id", "kind", "subject_kind", "subject_id", "created_at"]
    list_filter = ["kind"]


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    """Who was told, and who could not take it."""

    list_display = ["row", "consumer", "tries", "delivered_at", "given_up_at", "error"]
    list_filter = ["consumer", "given_up_at"]
