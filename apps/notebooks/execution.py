"""What a worker does for notebooks: merge the stored updates of a document into its snapshot."""

import uuid

from django.db import transaction
from django.db.models import Count

from apps.notebooks import crdt, projection
from apps.notebooks.models import DocSnapshot, Document, DocUpdate

KEEP_ROWS = 20  # of the latest: a browser that was away for a moment needs no snapshot
DUE_ROWS = 200 + KEEP_ROWS


@transaction.atomic
def compact(notebook_id: uuid.UUID) -> int:
    """Merge all but the latest updates into the snapshot; return how many rows that took away.

    The lock keeps appends out; merging keeps what still waits for an earlier update. Doing it twice
    is the same as doing it once.
    """
    document = Document.objects.select_for_update().filter(pk=notebook_id).first()
    if document is None:
        return 0
    upto = document.last_seq - KEEP_ROWS
    snapshot = DocSnapshot.objects.filter(document=document).first()
    since = snapshot.upto_seq if snapshot else 0
    rows = list(
        DocUpdate.objects.filter(document=document, seq__gt=since, seq__lte=upto)
        .order_by("seq")
        .values_list("payload", flat=True)
    )
    if len(rows) < 2 or len(rows) != upto - since:
        return 0
    parts = ([bytes(snapshot.state)] if snapshot else []) + [bytes(row) for row in rows]
    DocSnapshot.objects.update_or_create(
        document=document, defaults={"upto_seq": upto, "state": crdt.squash(crdt.merge(parts))}
    )
    taken, _by_model = DocUpdate.objects.filter(document=document, seq__lte=upto).delete()
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
