"""What a worker does for learning: pack the examples that were too many for an answer."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.utils import timezone

from apps.learning import export
from apps.learning.listing import Wanted, outputs_of
from apps.learning.models import Package
from apps.learning.sight import Sight

logger = logging.getLogger(__name__)

TELL_EVERY_S = 1.0
OVERLOOKED_AFTER = timedelta(
    minutes=5
)  # without getting further: its worker has died, or none was told
Status = Package.Status


class Withdrawn(Exception):
    """Nobody may have the file any more: something in it was erased, or its time is over."""


def pack(package_id: UUID) -> bool:
    """Write the package's file; say whether there is one now. Doing it twice is doing it once."""
    package = Package.objects.open().filter(pk=package_id, status=Status.WAITING).first()
    if package is None:
        return False
    sight = Sight(organization=package.organization, divisions=None)
    outputs = outputs_of(sight, Wanted.from_json(package.asked))
    try:
        packed = export.pack(
            package.organization, outputs, asked=package.asked, tell=_teller(package.pk)
        )
        with packed.file:
            return _keep(package, packed)
    except Withdrawn:
        logger.info("%s is not wanted any more", package)
    except Exception:  # whatever it is, the page must not say for ever that it is under way
        logger.exception("could not pack %s", package)
        Package.objects.filter(pk=package.pk).update(status=Status.FAILED)
    return False


def _keep(package: Package, packed: export.Package) -> bool:
    name = default_storage.save(f"learning/{package.pk}.zip", File(packed.file))
    is_ours = Package.objects.filter(pk=package.pk, status=Status.WAITING).update(
        status=Status.READY,
        file=name,
        rows=packed.rows,
        sha256=packed.sha256,
        size_bytes=packed.size_bytes,
        moved_at=timezone.now(),
    )
    if not is_ours:  # another worker was quicker, or it was withdrawn
        default_storage.delete(name)
    return bool(is_ours)


def _teller(package_id: UUID) -> Callable[[int, int], None]:
    """Return what notes how far it is, once a second; Withdrawn when nobody wants it any more."""
    told_at = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at < TELL_EVERY_S and done < total:
            return
        told_at = time.monotonic()
        wanted = Package.objects.open().filter(pk=package_id, status=Status.WAITING)
        if not wanted.update(done=done, total=total, moved_at=timezone.now()):
            raise Withdrawn

    return tell


def look_after_packages(now: datetime | None = None) -> None:
    """Pack what was overlooked; let go of those whose time is over."""
    now = now or timezone.now()
    overlooked = Package.objects.open().filter(
        status=Status.WAITING, moved_at__lt=now - OVERLOOKED_AFTER
    )
    for package in overlooked:
        pack(package.pk)
    for package in Package.objects.filter(expires_at__lte=now):
        if package.file:
            default_storage.delete(str(package.file.name))
        package.delete()
