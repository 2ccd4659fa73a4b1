"""Whose browser wrote under which id of Yjs.

A row of updates says who sent it, until it is compacted: what that tells is noted here first. The first
to send something under an id is its author; what the server wrote, or a copy brought, has none.
"""

import uuid

from apps.notebooks import redaction, structs
from apps.notebooks.models import DocAuthor, DocUpdate

BY_PEOPLE = [DocUpdate.Origin.HUMAN, DocUpdate.Origin.IMPORT]


def note(document_id: uuid.UUID, *, upto_seq: int) -> None:
    """Keep what the rows up to the number tell, before they go."""
    found = _told_by_rows(document_id, upto_seq=upto_seq)
    _add(document_id, found)


def of(document_id: uuid.UUID) -> dict[int, uuid.UUID]:
    """Return the person by id of Yjs, as far as it is known."""
    noted = DocAuthor.objects.filter(document=document_id).values_list("client", "user")
    return {**_told_by_rows(document_id), **dict(noted)}


def copy(source: uuid.UUID, target: uuid.UUID) -> None:
    """Keep for a copy of the document who wrote in the original."""
    _add(target, of(source))


def _add(document_id: uuid.UUID, found: dict[int, uuid.UUID]) -> None:
    rows = (
        DocAuthor(document_id=document_id, client=client, user_id=user)
        for client, user in found.items()
    )
    DocAuthor.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)


def _told_by_rows(document_id: uuid.UUID, *, upto_seq: int | None = None) -> dict[int, uuid.UUID]:
    rows = DocUpdate.objects.filter(
        document=document_id, origin__in=BY_PEOPLE, user__isnull=False
    ).order_by("seq")
    if upto_seq is not None:
        rows = rows.filter(seq__lte=upto_seq)
    found: dict[int, uuid.UUID] = {}
    for payload, origin, user in rows.values_list("payload", "origin", "user").iterator(500):
        clients = _clients(bytes(payload))
        if origin == DocUpdate.Origin.IMPORT and len(clients) > 1:
            continue  # a copy, written by others
        for client in clients:
            found.setdefault(client, user)
    return found


def _clients(payload: bytes) -> set[int]:
    try:
        return redaction.clients_of(payload)
    except structs.UnreadableUpdate:  # from before updates were looked into
        return set()
