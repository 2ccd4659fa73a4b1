"""The open sockets of one notebook in this process: group commit on the way in, fan-out on the way out.

A room holds no document. While a batch is being committed the updates that arrive wait for the next
one, so that a busy notebook costs one transaction per round trip to the disk and not one per key.
Numbers that no message announced are found by looking into the database every second.
"""

import asyncio
import json
import logging
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from django.db import DatabaseError, InterfaceError

from apps.core.errors import DomainError
from apps.notebooks import history, messages, mirrors, standing
from apps.notebooks.messages import Caret, Update
from apps.notebooks.numbers import Seen
from apps.notebooks.presence import Presence
from apps.notebooks.services import updates
from apps.notebooks.services.updates import Refusal
from apps.organizations.audit import Origin
from apps.organizations.policy import Level
from apps.realtime import publish
from apps.realtime.access import AccessChanged
from apps.realtime.database import in_database
from apps.realtime.hub import Hub, Message
from apps.realtime.outbox import SLOW, Shared

BATCH_UPDATES = 500
BATCH_BYTES = 8 * 1024 * 1024
CARET_PAUSE_S = 0.05
LOOK_EVERY_S = 1.0
CHECK_RIGHTS_EVERY = 20  # looks
SILENT_AFTER_S = 75.0  # browsers ping every 20 s

logger = logging.getLogger(__name__)


class Member(Protocol):
    """What a room needs of a socket."""

    user_id: uuid.UUID
    session_key: str | None
    origin: Origin
    client: int
    last_heard: float

    def post(self, frame: bytes | str) -> None:
        """Send when possible."""

    def post_shared(self, shared: Shared) -> None:
        """Send what goes to many."""

    def acknowledge(self, ids: list[int], *, first: int | None, last: int) -> None:
        """Say that these updates are stored."""

    def refuse(self, number: int, reason: str) -> None:
        """Say that this update was not taken."""

    def stand(self, level: Level | None, *, in_trash: bool) -> None:
        """Note what the person may do from now on."""

    def drop(self, code: int) -> None:
        """Close."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stored:
    """A batch that is on disk and has not been told yet."""

    batch: updates.Batch
    taken: list[tuple[Member, Update]]


_rooms: dict[tuple[str, uuid.UUID], "Room"] = {}


def room_of(hub: Hub, notebook_id: uuid.UUID) -> "Room":
    """Return the notebook's room in this process."""
    key = (hub.id, notebook_id)
    if key not in _rooms:
        _rooms[key] = Room(hub, notebook_id)
    return _rooms[key]


class Room:
    """Sockets of one notebook; lives as long as one of them is open."""

    def __init__(self, hub: Hub, notebook_id: uuid.UUID) -> None:
        self.notebook_id = notebook_id
        self.topic = f"notebook.{notebook_id}"
        self._hub = hub
        self._members: set[Member] = set()
        self._epoch: uuid.UUID | None = None
        self._seen: Seen | None = None
        self._waiting: deque[tuple[Member, Update]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._presence = Presence()
        self._fresh: dict[int, Caret] = {}
        self._caret_timer: asyncio.TimerHandle | None = None
        self._checks: set[asyncio.Task[None]] = set()

    async def enter(self, member: Member) -> None:
        """Add the socket; from now on it gets what the others write."""
        self._members.add(member)
        if len(self._members) == 1:
            self._keeper = asyncio.get_running_loop().create_task(self._keep())
            await self._hub.listen(self.topic, self._hear)
            await publish.relay_async(self.topic, "carets?", sender=self._hub.id)

    async def leave(self, member: Member) -> None:
        """Remove the socket and its caret; the last one closes the room."""
        if member not in self._members:
            return
        self._members.discard(member)
        farewell = self._presence.farewell(member.client)
        if farewell is not None:
            self._announce(farewell)
        if self._members:
            return
        _rooms.pop((self._hub.id, self.notebook_id), None)
        if self._keeper is not None:
            self._keeper.cancel()
        await self._flush_carets_now()
        await self._hub.leave(self.topic, self._hear)

    def start_at(self, epoch: uuid.UUID, seq: int) -> None:
        """Note that a joiner of this room has everything of this epoch up to the number."""
        if self._seen is None or self._epoch != epoch:
            self._epoch, self._seen = epoch, Seen(seq)

    def carets(self) -> bytes | None:
        """Return the frame with everybody's caret for a newcomer."""
        present = self._presence.present()
        return messages.awareness_frame(present) if present else None

    # --- updates -------------------------------------------------------------------------------

    def submit(self, member: Member, update: Update) -> None:
        """Append the update with the next batch."""
        self._waiting.append((member, update))
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Store batch after batch; what one stored is told while the next is being committed."""
        stored: _Stored | None = None
        try:
            while self._waiting or stored is not None:
                storing = None
                if self._waiting:
                    storing = asyncio.create_task(self._store(self._next_batch()))
                    await asyncio.sleep(0)  # let it set out before the loop is busy with telling
                if stored is not None:
                    self._tell(stored)
                stored = await storing if storing is not None else None
        finally:
            self._writer = None

    def _next_batch(self) -> list[tuple[Member, Update]]:
        taken: list[tuple[Member, Update]] = []
        size = 0
        while self._waiting and len(taken) < BATCH_UPDATES and size < BATCH_BYTES:
            taken.append(self._waiting.popleft())
            size += len(taken[-1][1].payload)
        return taken

    async def _store(self, taken: list[tuple[Member, Update]]) -> _Stored | None:
        """Append the updates; None when nothing was stored and nobody was answered."""
        incoming = [
            updates.Incoming(
                user_id=member.user_id,
                payload=update.payload,
                resent=update.resent,
                origin=member.origin,
            )
            for member, update in taken
        ]
        try:
            batch = await in_database(
                updates.append,
                notebook_id=self.notebook_id,
                incoming=incoming,
                sender=self._hub.id,
                epoch=self._epoch,
            )
        except history.Diverged:
            self._drop()
            return None
        except Exception:  # nothing was acknowledged: the browsers come back and send again
            logger.exception("a batch of %d updates was not stored", len(taken))
            for member, _update in taken:
                member.drop(SLOW)
            return None
        return _Stored(batch=batch, taken=taken)

    def _tell(self, stored: _Stored) -> None:
        """Tell everybody here, and then the other processes, what was stored."""
        batch = stored.batch
        self._distribute(batch, stored.taken)
        if batch.payloads:
            self._spawn(updates.tell_the_others(self.notebook_id, batch, sender=self._hub.id))
        if batch.fills_a_snapshot:
            self._spawn(in_database(updates.request_compaction, self.notebook_id))

    def _distribute(self, batch: updates.Batch, taken: list[tuple[Member, Update]]) -> None:
        """Acknowledge to the senders, relay to everybody what is not their own."""
        landed: dict[Member, list[int]] = {}
        own: dict[Member, set[int]] = {}
        for (member, update), outcome in zip(taken, batch.outcomes, strict=True):
            if outcome.refusal is not None:
                member.refuse(update.id, outcome.refusal.value)
                if outcome.refusal in (Refusal.NOT_ALLOWED, Refusal.IN_TRASH):
                    self.check_rights(only=member.user_id)
                continue
            landed.setdefault(member, []).append(update.id)
            if outcome.seq is not None:
                own.setdefault(member, set()).add(outcome.seq)
        for member, ids in landed.items():
            # A batch that is all one's own is told by its acknowledgement, others by a frame as well.
            alone = 0 < len(own.get(member, ())) == len(batch.payloads)
            member.acknowledge(ids, first=batch.first if alone else None, last=batch.last)
        if batch.payloads:
            self._relay(batch, own)

    def _relay(self, batch: updates.Batch, own: dict[Member, set[int]]) -> None:
        if self._seen is not None:
            self._seen.add(batch.first, batch.last)
        frame = messages.changes_frame(batch.first, batch.last, batch.payloads.values())
        shared = Shared(frame)
        for member in self._members:
            if member not in own:
                member.post_shared(shared)
                continue
            others = [part for seq, part in batch.payloads.items() if seq not in own[member]]
            if others:
                frame = messages.changes_frame(batch.first, batch.last, others)
                member.post_shared(Shared(frame))

    # --- what comes through the channel layer -----------------------------------------------------

    def _hear(self, message: Message) -> None:
        """Take a message to the notebook's topic."""
        if message["type"] == "topic.event":
            self._hear_event(message["event"])
        elif message.get("sender") == self._hub.id:
            return
        elif message["kind"] == "changes":
            self._hear_changes(message["first"], message["last"], message["updates"])
        elif message["kind"] == "carets":
            for caret in messages.parse_awareness(message["frame"], limit=None):
                if self._presence.take(caret):
                    self._fresh[caret.client] = caret
            self._flush_carets_soon()
        elif message["kind"] == "carets?":
            self._answer_carets()

    def _hear_event(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "notebook.redacted":
            mirrors.forget(self.notebook_id)
            self._drop()
            return
        if kind != AccessChanged.type:
            self._post_to_all(json.dumps(event, separators=(",", ":")))
        if kind in (AccessChanged.type, "notebook.deleted"):
            self.check_rights()

    def _hear_changes(self, first: int, last: int, payloads: list[bytes]) -> None:
        if not payloads:  # too large to travel
            self._spawn(self._catch_up())
        elif self._seen is None or self._seen.add(first, last):
            self._post_to_all(messages.changes_frame(first, last, payloads))

    def _post_to_all(self, frame: bytes | str) -> None:
        shared = Shared(frame)
        for member in self._members:
            member.post_shared(shared)

    # --- keeping up -------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Look regularly for what no message told: numbers, rights, browsers that fell asleep."""
        looks = 0
        before = -1
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            looks += 1
            self._drop(silent_since=asyncio.get_running_loop().time() - SILENT_AFTER_S)
            try:
                before = await self._look(before)
            except Exception:  # whatever it is: without this loop no right would ever end here
                logger.exception("could not look for new updates of %s", self.notebook_id)
            if looks % CHECK_RIGHTS_EVERY == 0:
                self.check_rights()

    async def _look(self, before: int) -> int:
        """Catch up when the number that was missing at the last look is still missing."""
        if self._seen is None:
            return -1
        upto = self._seen.upto
        if upto == before:
            last = (await in_database(history.last_seqs, [self.notebook_id])).get(self.notebook_id)
            if last is not None and last > self._seen.upto and self._writer is None:
                await self._catch_up()
        return upto

    async def _catch_up(self) -> None:
        """Relay from the database what this room has not seen."""
        if self._seen is None:
            return
        since = self._seen.upto
        later = await in_database(history.read_later, self.notebook_id, since=since)
        if later.updates and self._seen.add(since + 1, later.seq):
            self._post_to_all(messages.changes_frame(since + 1, later.seq, later.updates))

    def _drop(self, *, silent_since: float = inf) -> None:
        """Close the sockets; on coming back they learn what has become of the history."""
        for member in [one for one in self._members if one.last_heard < silent_since]:
            member.drop(SLOW)

    # --- rights -------------------------------------------------------------------------------

    def check_rights(self, only: uuid.UUID | None = None) -> None:
        """Look again at what the people here may do (at one person only, if given)."""
        asked = [one for one in self._members if only is None or one.user_id == only]
        if asked:
            self._spawn(self._check_rights(asked))

    async def _check_rights(self, asked: Iterable[Member]) -> None:
        who = {(one.user_id, one.session_key) for one in asked}
        found = await in_database(standing.of, self.notebook_id, who)
        for member in asked:
            level = found.levels.get((member.user_id, member.session_key))
            member.stand(level, in_trash=found.in_trash)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(_logged(work))
        self._checks.add(task)
        task.add_done_callback(self._checks.discard)

    # --- carets -------------------------------------------------------------------------------

    def announce(self, carets: Iterable[Caret]) -> None:
        """Relay the carets of a browser to the others."""
        for caret in carets:
            if self._presence.take(caret):
                self._announce(caret)

    def _announce(self, caret: Caret) -> None:
        self._fresh[caret.client] = caret
        self._flush_carets_soon(tell=True)

    def _flush_carets_soon(self, *, tell: bool = False) -> None:
        """Collect carets for a moment: each key moves one, and only the last place counts."""
        if self._caret_timer is None:
            loop = asyncio.get_running_loop()
            self._caret_timer = loop.call_later(CARET_PAUSE_S, self._flush_carets, tell)

    def _flush_carets(self, tell: bool) -> None:  # noqa: FBT001  (a timer passes by position)
        self._caret_timer = None
        fresh, self._fresh = self._fresh, {}
        if not fresh:
            return
        frame = messages.awareness_frame(fresh.values())
        only = next(iter(fresh)) if len(fresh) == 1 else None
        shared = Shared(frame)
        for member in self._members:
            if member.client != only:
                member.post_shared(shared)
        self._spawn(self._tell_carets(frame)) if tell else None

    async def _flush_carets_now(self) -> None:
        if self._caret_timer is not None:
            self._caret_timer.cancel()
        if self._fresh:
            await self._tell_carets(messages.awareness_frame(self._fresh.values()))

    async def _tell_carets(self, frame: bytes) -> None:
        await publish.relay_async(self.topic, "carets", sender=self._hub.id, frame=frame)

    def _answer_carets(self) -> None:
        frame = self.carets()
        if frame is not None:
            self._spawn(self._tell_carets(frame))


async def _logged(work: Any) -> None:
    try:
        await work
    except (DatabaseError, InterfaceError, DomainError) as error:
        logger.warning("a look into the database failed: %s", error)
