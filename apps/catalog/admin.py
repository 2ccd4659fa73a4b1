"""The operator's view of the catalog: to be read; changes go through services."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.catalog.models import (
    Deployment,
    ModelFamily,
    ModelImport,
    ModelVersion,
    RemoteEndpoint,
    Trial,
    Variant,
)


class ReadOnly(admin.ModelAdmin):
    """Rows that nobody adds, changes or deletes by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(ModelFamily)
class ModelFamilyAdmin(ReadOnly):
    """Families."""

    list_display = ["name", "slug", "organization", "created_at"]


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnly):
    """Versions."""

    list_display = ["family", "number", "digest", "licence", "created_at"]


@admin.register(Variant)
class VariantAdmin(ReadOnly):
    """Variants and their measured speed."""

    list_display = ["version", "name", "path", "decode_tokens_per_s", "measured_at"]


@admin.register(RemoteEndpoint)
class RemoteEndpointAdmin(ReadOnly):
    """Servers of others; their keys are never shown."""

    list_display = ["model_name", "base_url", "variant", "extended", "created_at"]
    fields = ["variant", "base_url", "model_name", "extended", "created_at"]


@admin.register(Deployment)
class DeploymentAdmin(ReadOnly):
    """What serves which alias."""

    list_display = ["alias", "label", "variant", "organization", "pool", "retired_at"]


@admin.register(ModelImport)
class ModelImportAdmin(ReadOnly):
    """Models that somebody wanted here, and how that went."""

    list_display = ["origin", "revision", "status", "size_bytes", "requested_by", "created_at"]
    list_filter = ["status"]


@admin.register(Trial)
class TrialAdmin(ReadOnly):
    """That models were tried; what they were asked, and wrote, is the organization's."""

    list_display = ["variant", "organization", "status", "new_tokens", "created_at"]
    list_filter = ["status"]
    exclude = ["prompt", "text"]
