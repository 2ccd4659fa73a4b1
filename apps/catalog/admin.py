"""The operator's view of the catalog: to be read; changes go through services."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from apps.catalog.models import Deployment, ModelFamily, ModelVersion, RemoteEndpoint, Variant


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
