"""The operator's view of exports and backups; an export itself is for the owners who asked for it."""

from django.contrib import admin

from apps.operations.models import Backup, Export
from apps.organizations.admin import ReadOnlyAdmin


@admin.register(Export)
class ExportAdmin(ReadOnlyAdmin):
    """Exports, without their files."""

    list_display = ["organization", "requested_by", "status", "size_bytes", "created_at"]
    list_select_related = ["organization", "requested_by"]
    exclude = ["file"]


@admin.register(Backup)
class BackupAdmin(ReadOnlyAdmin):
    """Backups of the instance."""

    list_display = ["file_name", "size_bytes", "row_count", "file_count", "finished_at"]
