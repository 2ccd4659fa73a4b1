"""What a worker does for operations: write exports, and let go of what was kept long enough."""

import logging
import tempfile
import zipfile
from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.utils import timezone

from apps.operations import retention
from apps.operations.export import Archive, write_export
from apps.operations.models import Export
from apps.organizations.models import Organization

logger = logging.getLogger(__name__)

OVERLOOKED_AFTER = timedelta(minutes=30)  # longer than a task may take


def put_together(export_id: UUID) -> bool:
    """Write the export's file; say whether there is one now. Doing it twice is doing it once."""
    export = Export.objects.open().filter(pk=export_id, status=Export.Status.WAITING).first()
    if export is None:
        return False
    with tempfile.TemporaryFile() as raw:
        try:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
                write_export(export.organization, Archive(archive))
        except Exception:  # whatever it is, the page must not say for ever that it is under way
            logger.exception("could not put %s together", export)
            Export.objects.filter(pk=export.pk).update(status=Export.Status.FAILED)
            return False
        size = raw.tell()
        raw.seek(0)
        name = default_storage.save(f"exports/{export.pk}.zip", File(raw))
    waiting = Export.objects.filter(pk=export.pk, status=Export.Status.WAITING)
    is_ours = waiting.update(
        status=Export.Status.READY, file=name, size_bytes=size, finished_at=timezone.now()
    )
    if not is_ours:  # another worker was quicker
        default_storage.delete(name)
    return bool(is_ours)


def look_after_exports(now: datetime | None = None) -> None:
    """Write what was overlooked; delete the files of exports whose time is over."""
    now = now or timezone.now()
    overlooked = Export.objects.open().filter(
        status=Export.Status.WAITING, created_at__lt=now - OVERLOOKED_AFTER
    )
    for export in overlooked:
        put_together(export.pk)
    for export in Export.objects.filter(expires_at__lte=now):
        if export.file:
            default_storage.delete(str(export.file.name))
        export.delete()


def apply_retention(now: datetime | None = None) -> None:
    """Let go, organization after organization, of what is kept no longer."""
    for organization in Organization.objects.order_by("pk"):
        retention.apply(organization, now or timezone.now())
