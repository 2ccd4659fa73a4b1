"""What a worker does for notebooks: merge the stored updates of a document into its snapshot."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from apps.notebooks import authors, crdt, history, projection, settling
from apps.notebooks.models import DocSnapshot, Document, DocUpdate

KEEP_ROWS = 20  # of the latest: a browser that was away for a moment needs no snapshot
DUE_ROWS = 200 + KEEP_ROWS
# A long document is merged anew once it has grown by a twentieth: it costs as much as it is long.
WORTH = 20
MANY_ROWS = 2000


@dataclass(frozen=True, kw_only=True)
class _Merged:
    """What a new snapshot would be, and which one it would replace."""

    since: int
    upto: int
    state: bytes


def compact(notebook_id: uuid.UUID) -> int:
    """Merge all but the latest updates into the snapshot; return how many rows that took away.

    The rows do not change, so they are merged without a lock; only the exchange holds one, and comes
    to nothing if another worker was quicker. Doing it twice is the same as doing it once.

    The cells are read before: afterwards nobody could say whose updates changed them.
    """
    merged = _merge(notebook_id)
    if merged is None:
        return 0
    try:
        project(notebook_id)
    except history.HistoryInterrupted:
        return 0
    return _exchange(notebook_id, merged)


def _merge(notebook_id: uuid.UUID) -> _Merged | None:
    document = Document.objects.filter(pk=notebook_id).first()
    if document is None:
        return None
    upto = document.last_seq - KEEP_ROWS
    snapshot = DocSnapshot.objects.filter(document=document).first()
    since = snapshot.upto_seq if snapshot else 0
    rows = list(
        DocUpdate.objects.filter(document=document, seq__gt=since, seq__lte=upto)
        .order_by("seq")
        .values_list("payload", flat=True)
    )
    if len(rows) < 2 or len(rows) != upto - since:
        return None
    grown = sum(map(len, rows))
    if snapshot and len(rows) < MANY_ROWS and grown * WORTH < len(snapshot.state):
        return None
    parts = ([bytes(snapshot.state)] if snapshot else []) + [bytes(row) for row in rows]
    return _Merged(since=since, upto=upto, state=crdt.squash(crdt.merge(parts)))


@transaction.atomic
def _exchange(notebook_id: uuid.UUID, merged: _Merged) -> int:
    document = Document.objects.select_for_update().filter(pk=notebook_id).first()
    if document is None:
        return 0
    found = DocSnapshot.objects.filter(document=document).values_list("upto_seq", flat=True)
    if (found.first() or 0) != merged.since:
        return 0
    DocSnapshot.objects.update_or_create(
        document=document,
        defaults={"upto_seq": merged.upto, "state": merged.state, "created_at": timezone.now()},
    )
    authors.note(notebook_id, upto_seq=merged.upto)
    taken, _by_model = DocUpdate.objects.filter(document=document, seq__lte=merged.upto).delete()
    return taken


def due_for_compaction(limit: int = 100) -> list[uuid.UUID]:
    """Return documents with many rows, the longest first."""
    counted = DocUpdate.objects.values("document").annotate(rows=Count("pk"))
    long = counted.filter(rows__gt=DUE_ROWS).order_by("-rows")[:limit]
    return [row["document"] for row in long]


def project(notebook_id: uuid.UUID) -> None:
    """Read the cells of one document anew; nothing to do when it has been deleted."""
    if Document.objects.filter(pk=notebook_id).exists():
        projection.project(notebook_id)


def settle(notebook_id: uuid.UUID) -> int:
    """Settle the cells of one notebook that are due; return how many records there are of it."""
    return settling.settle_waiting(notebook=notebook_id)


def settle_due(now: datetime | None = None) -> int:
    """Read what was not read, then settle what is due anywhere, as much as one pass may do."""
    now = now or timezone.now()
    for notebook_id in settling.unread(now):
        project(notebook_id)
    return settling.settle_waiting(now=now)
