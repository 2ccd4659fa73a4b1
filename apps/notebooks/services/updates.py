"""Append updates to a document: the one road by which anything is written into a notebook."""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from apps.core.metering import appended_updates
from apps.notebooks import crdt, mirrors, projecting, tasks
from apps.notebooks.history import Diverged
from apps.notebooks.models import Contribution, DocUpdate, Notebook
from apps.notebooks.rights import levels_at
from apps.notebooks.statements import Head, Row, lock_head, store
from apps.organizations import audit
from apps.organizations.policy import Level
from apps.realtime import publish

RELAY_LIMIT_BYTES = 256 * 1024  # what is larger is read from the database by the other processes
COMPACT_EVERY = 200  # updates
TRACE_EVERY_S = 10.0
SITTING_S = 600  # edits closer together than this are one visit in the audit log


class Refusal(StrEnum):
    """Why an update was not taken; the browser says it in words."""

    NOT_ALLOWED = "not_allowed"
    IN_TRASH = "in_trash"
    TOO_LARGE = "too_large"
    INVALID = "invalid"


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """An update that somebody wants to append; without a person it is the server's own."""

    user_id: uuid.UUID | None
    payload: bytes
    resent: bool = False  # perhaps stored already: appended only if it adds something
    origin: audit.Origin | None = (
        None  # of the socket that it came by; a request has said it already
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of an update: its number, why it was refused, or neither: it held nothing new."""

    seq: int | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one append did: the numbers first … last were given to `payloads`."""

    epoch: uuid.UUID
    first: int
    last: int  # first - 1 when nothing was appended
    outcomes: list[Outcome]
    payloads: dict[int, bytes] = field(repr=False)
    levels: dict[uuid.UUID, Level]

    @property
    def fills_a_snapshot(self) -> bool:
        """Say whether enough was appended since the last time for a compaction to pay."""
        return (self.first - 1) // COMPACT_EVERY != self.last // COMPACT_EVERY


@transaction.atomic
def append(
    *,
    notebook_id: uuid.UUID,
    incoming: Sequence[Incoming],
    origin: str = DocUpdate.Origin.HUMAN,
    sender: str = "",
    epoch: uuid.UUID | None = None,
) -> Batch:
    """Append what is allowed and valid under the document's lock, and tell the processes.

    A `sender`, the hub of a process, tells them itself (`tell_the_others`) once its own sockets are
    served. Refusing one update lets the others pass; Diverged refuses all when the history is not the
    one that the senders joined. The document must exist (Document.DoesNotExist).
    """
    head = lock_head(notebook_id)
    if epoch is not None and epoch != head.epoch:
        raise Diverged
    people = {one.user_id for one in incoming if one.user_id is not None}
    levels = levels_at(head.place, people)
    appending = _Appending(head, levels)
    outcomes = [appending.take(one) for one in incoming]
    batch = Batch(
        epoch=head.epoch,
        first=head.last_seq + 1,
        last=head.last_seq + len(appending.rows),
        outcomes=outcomes,
        payloads={row.seq: row.payload for row in appending.rows},
        levels=levels,
    )
    if appending.rows:
        store(head, appending.rows, origin=origin)
        wrote = {row.user_id for row in appending.rows}
        came_from = {one.user_id: one.origin for one in incoming if one.user_id in wrote}
        _leave_traces(notebook_id, came_from)
        if not sender:
            transaction.on_commit(partial(_relay, notebook_id, batch), robust=True)
        transaction.on_commit(partial(projecting.debounce.touch, notebook_id), robust=True)
        transaction.on_commit(partial(appended_updates.inc, len(appending.rows)), robust=True)
    appending.mirror.seq = batch.last
    transaction.on_commit(partial(mirrors.put_back, notebook_id, appending.mirror))
    return batch


def request_compaction(notebook_id: uuid.UUID) -> None:
    """Ask a worker to compact; the reconciler finds what no worker was told about."""
    try:
        tasks.compact.delay(notebook_id=str(notebook_id))
    except (OperationalError, OSError):
        return


class _Appending:
    """Gives numbers to the updates of one batch, after trying each on the mirror."""

    def __init__(self, head: Head, levels: dict[uuid.UUID, Level]) -> None:
        self.rows: list[Row] = []
        self.mirror = mirrors.take(head)
        self._head = head
        self._levels = levels

    def take(self, one: Incoming) -> Outcome:
        """Return the outcome of the update; a row is ready where it was taken."""
        refusal = self._refusal(one)
        if refusal is not None:
            return Outcome(refusal=refusal)
        try:
            payload = crdt.clean(one.payload)
            is_new = self._try(payload, resent=one.resent)
        except crdt.BadUpdate:
            return Outcome(refusal=Refusal.INVALID)
        if not is_new:
            return Outcome()
        self.rows.append(Row(seq=self._last + 1, payload=payload, user_id=one.user_id))
        return Outcome(seq=self._last)

    @property
    def _last(self) -> int:
        return self._head.last_seq + len(self.rows)

    def _refusal(self, one: Incoming) -> Refusal | None:
        if len(one.payload) > settings.UPDATE_LIMIT_BYTES:
            return Refusal.TOO_LARGE
        if one.user_id is not None and self._levels[one.user_id] < Level.EDIT:
            return Refusal.NOT_ALLOWED
        if self._head.in_trash:
            return Refusal.IN_TRASH
        return None

    def _try(self, payload: bytes, *, resent: bool) -> bool:
        """Apply to the mirror and say whether the update is worth a row; BadUpdate when it is at fault."""
        try:
            if resent:
                return self.mirror.apply_news(payload)
            self.mirror.apply(payload)
        except crdt.BadUpdate as refusal:
            before = crdt.merge([mirrors.stored(self._head), *(row.payload for row in self.rows)])
            self.mirror = self._mirror_of(before)
            if isinstance(refusal, crdt.TooDeep):
                raise
            crdt.refuse_fault(payload, before=before)
            # What somebody else has left waiting for it is at fault; Yjs drops that, and so do we.
            self.mirror = self._mirror_of(crdt.merge([before, payload]))
        return payload != crdt.EMPTY

    def _mirror_of(self, state: bytes) -> crdt.Mirror:
        return crdt.Mirror(epoch=self._head.epoch, seq=self._head.last_seq, state=state)


async def tell_the_others(notebook_id: uuid.UUID, batch: Batch, *, sender: str) -> None:
    """Tell the other processes what a batch stored; what they miss they find in the database."""
    told = _told(batch, sender)
    await publish.relay_async(f"notebook.{notebook_id}", "changes", **told)


def _relay(notebook_id: uuid.UUID, batch: Batch) -> None:
    publish.relay(f"notebook.{notebook_id}", "changes", **_told(batch, ""))


def _told(batch: Batch, sender: str) -> dict[str, Any]:
    updates = list(batch.payloads.values())
    if sum(map(len, updates)) > RELAY_LIMIT_BYTES:
        updates = []
    return {"sender": sender, "first": batch.first, "last": batch.last, "updates": updates}


_traced: dict[tuple[uuid.UUID, uuid.UUID], float] = {}  # (notebook, person) -> when, monotonic


def _leave_traces(
    notebook_id: uuid.UUID, people: Mapping[uuid.UUID | None, audit.Origin | None]
) -> None:
    """Note who wrote, when, and from where: every few seconds, for a keystroke is no event of its own."""
    now = time.monotonic()
    due = {
        person
        for person in people
        if person is not None
        and now - _traced.get((notebook_id, person), -TRACE_EVERY_S) >= TRACE_EVERY_S
    }
    if not due:
        return
    if len(_traced) > 10_000:
        _traced.clear()
    notebook = Notebook.objects.select_related("organization").get(pk=notebook_id)
    for person in due:
        _traced[notebook_id, person] = now
        token = audit.origin.set(people[person] or audit.origin.get())
        try:
            _note_contribution(notebook, person)
        finally:
            audit.origin.reset(token)
    Notebook.objects.filter(pk=notebook.pk).update(edited_at=timezone.now(), edited_by=max(due))


def _note_contribution(notebook: Notebook, person: uuid.UUID) -> None:
    now = timezone.now()
    known, is_first = Contribution.objects.get_or_create(
        notebook=notebook, user_id=person, defaults={"first_at": now, "last_at": now}
    )
    if is_first or (now - known.last_at).total_seconds() > SITTING_S:
        audit.record(
            verb="notebook.edited",
            actor=known.user,
            organization=notebook.organization,
            target=notebook,
        )
    if not is_first:
        Contribution.objects.filter(pk=known.pk).update(last_at=now)
