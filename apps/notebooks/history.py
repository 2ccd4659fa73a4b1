"""Read the stored updates of a document, whole or from a number on."""

import uuid
from dataclasses import dataclass

from apps.core.errors import DomainError
from apps.notebooks import crdt
from apps.notebooks.messages import Hello
from apps.notebooks.models import SCHEMA_VERSION, DocSnapshot, Document, DocUpdate

ATTEMPTS = 5


class Diverged(DomainError):
    """The copy belongs to another history than the server's and may not merge into it."""


class Outdated(DomainError):
    """The page was built for another version of the document's schema and must be loaded again."""


class HistoryInterrupted(DomainError):
    """A stored update is missing between two others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Updates that bring a copy up to a number."""

    epoch: uuid.UUID
    seq: int
    updates: list[bytes]


def for_joiner(notebook_id: uuid.UUID, hello: Hello) -> History:
    """Return what the browser lacks; Outdated or Diverged when its copy may not be merged."""
    document = refuse_strangers(notebook_id, hello)
    since = hello.seq if hello.epoch is not None else 0
    return read(document, since=since, vector=hello.vector if since else None)


def refuse_strangers(notebook_id: uuid.UUID, hello: Hello) -> Document:
    """Return the document; Outdated or Diverged when the browser's copy may not be merged into it."""
    if hello.schema != SCHEMA_VERSION:
        raise Outdated
    document = Document.objects.get(pk=notebook_id)
    if hello.epoch is not None and hello.epoch != document.epoch:
        raise Diverged
    if hello.seq > document.last_seq:  # the server was restored to an earlier day
        raise Diverged
    return document


def read(document: Document, *, since: int = 0, vector: bytes | None = None) -> History:
    """Return the updates after `since`; where those were compacted, the snapshot less the vector."""
    for _ in range(ATTEMPTS):
        snapshot = DocSnapshot.objects.filter(document=document).first()
        updates = []
        start = since
        if snapshot is not None and snapshot.upto_seq > since:
            state = bytes(snapshot.state)
            updates = [crdt.missing(state, vector) if vector else state]
            start = snapshot.upto_seq
        rows = list(
            DocUpdate.objects.filter(document=document, seq__gt=start)
            .order_by("seq")
            .values_list("seq", "payload")
        )
        seq = start + len(rows)
        # A compaction between the two queries takes away rows that the snapshot did not hold yet.
        if seq >= document.last_seq and (not rows or rows[-1][0] == seq):
            updates += [bytes(payload) for _seq, payload in rows]
            return History(epoch=document.epoch, seq=seq, updates=updates)
        document.refresh_from_db(fields=["last_seq"])
    message = f"document {document.pk}: wanted {document.last_seq} updates, found {seq}"
    raise HistoryInterrupted(message)


def read_later(notebook_id: uuid.UUID, *, since: int, vector: bytes | None = None) -> History:
    """Return the updates after `since` of the notebook's document."""
    return read(Document.objects.get(pk=notebook_id), since=since, vector=vector)


def whole(document: Document) -> History:
    """Return the document as one update, in which waiting updates still wait."""
    history = read(document)
    return History(epoch=history.epoch, seq=history.seq, updates=[crdt.merge(history.updates)])


def last_seqs(notebook_ids: list[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return the number of the last update of each document."""
    heads = Document.objects.filter(pk__in=notebook_ids)
    return dict(heads.values_list("pk", "last_seq"))
