"""Forget what stood in cells: the text of a record goes; its ids, hash, counts and editors stay."""

from collections.abc import Callable, Collection
from uuid import UUID

from django.utils import timezone

from apps.learning.models import EditRecord

CHUNK = 200


def forget_records(
    notebook_id: UUID, *, title: str, stands: Callable[[EditRecord], bool]
) -> list[UUID]:
    """Make tombstones of the notebook's records but those that say what stands; return their ids.

    Args:
        notebook_id: the notebook; it may be gone by now.
        title: what records that stay call it from now on.
        stands: says of a record whether its text and name may stay.
    """
    alive = EditRecord.objects.filter(notebook_id=notebook_id, erased_at__isnull=True)
    gone = [record.pk for record in alive.iterator(CHUNK) if not stands(record)]
    _bury(gone)
    alive.exclude(pk__in=gone).exclude(notebook_title=title).update(notebook_title=title)
    return gone


def forget_records_of_outputs(outputs: Collection[UUID]) -> list[UUID]:
    """Make tombstones of every record that began with one of the outputs; return their ids."""
    alive = EditRecord.objects.filter(output__in=list(outputs), erased_at__isnull=True)
    gone = list(alive.values_list("pk", flat=True))
    _bury(gone)
    return gone


def forget_record(record: EditRecord) -> None:
    """Make a tombstone of one record."""
    _bury([record.pk])


def _bury(ids: list[UUID]) -> None:
    for start in range(0, len(ids), CHUNK):
        EditRecord.objects.filter(pk__in=ids[start : start + CHUNK]).update(
            final_text="", notebook_title="", cell_name="", erased_at=timezone.now()
        )
