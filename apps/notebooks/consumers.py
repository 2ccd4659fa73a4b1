"""A browser's socket on a notebook: frames in, services called, frames out."""

import asyncio
import json
import logging
import uuid
from typing import Any

from channels.consumer import AsyncConsumer
from django.db import DatabaseError, InterfaceError

from apps.core.errors import NotVisible
from apps.notebooks import history, messages, presence, standing
from apps.notebooks.messages import Hello, Malformed
from apps.notebooks.models import SCHEMA_VERSION
from apps.notebooks.rooms import Room, room_of
from apps.notebooks.selectors import Access
from apps.organizations import audit
from apps.organizations.policy import Level
from apps.realtime.database import in_database
from apps.realtime.hub import Hub, Message, this_hub
from apps.realtime.outbox import SLOW, Outbox, Shared
from apps.realtime.protocol import EXTENSION
from apps.realtime.sockets import came_from

MALFORMED, SIGNED_OUT, GONE, OUTDATED, DIVERGED = 4400, 4401, 4404, 4409, 4410
HELLO_WITHIN_S = 15.0
IN_FLIGHT = 256  # updates that one browser may have waiting for their acknowledgement
RESYNC_PAUSE_S = 1.0

logger = logging.getLogger(__name__)


class Left(Exception):
    """The browser has closed the socket."""


class NotebookSocket(AsyncConsumer):  # type: ignore[misc]  # channels has no types
    """One open socket. channels' own dispatch is left out: it costs a thread's round trip per frame."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Accept, wait for the browser's hello, then serve until either side ends it."""
        self.user = scope["user"]
        self.notebook_id: uuid.UUID = scope["url_route"]["kwargs"]["notebook"]
        self.session_key = scope["session"].session_key if scope.get("session") else None
        self.origin = audit.origin_at(*came_from(scope))
        self._task = asyncio.current_task()
        write = (scope.get("extensions") or {}).get(EXTENSION)
        self._outbox = Outbox(send, on_end=self._end, write=write)
        self._room: Room | None = None
        self._hub: Hub = this_hub()
        self._in_flight = 0
        self._may_continue = asyncio.Event()
        self._resynced_at = 0.0
        self._receive = receive
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        try:
            await self._serve()
        except Left:
            pass
        except asyncio.CancelledError:
            if not self._outbox.is_closing:
                raise
        finally:
            await self._leave()

    async def _serve(self) -> None:
        try:
            if not self.user.is_authenticated:
                self._outbox.close(SIGNED_OUT)
            elif await self._join(await self._hello()):
                await self._take_frames()
        except Malformed:
            self._outbox.close(MALFORMED)
        while True:  # until the close frame is out (`_end` cancels us) or the browser leaves
            await self._next()

    async def _next(self) -> dict[str, Any]:
        frame: dict[str, Any] = await self._receive()
        if frame["type"] == "websocket.disconnect":
            raise Left
        return frame

    async def _take_frames(self) -> None:
        while True:
            frame = await self._next()
            self.last_heard = self._now()
            if frame.get("bytes") is not None:
                await self._take_bytes(frame["bytes"])
            else:
                await self._take_text(frame.get("text") or "")

    # --- beginning and end ----------------------------------------------------------------------

    async def _hello(self) -> Hello:
        """Return the browser's introduction; Malformed when it says something else, or nothing."""
        try:
            frame = await asyncio.wait_for(self._next(), HELLO_WITHIN_S)
        except TimeoutError as error:
            raise Malformed("no hello came") from error
        content = messages.parse_text(frame.get("text") or "")
        if content["type"] != "hello":
            raise Malformed("the first message is no hello")
        return messages.parse_hello(content)

    async def _join(self, hello: Hello) -> bool:
        """Enter the room and answer with what the browser lacks; False when it may not."""
        self.user_id: uuid.UUID = self.user.pk
        self.client = hello.client
        self.last_heard = self._now()
        # Enter before reading: what is written in between waits in the outbox.
        self._room = room_of(self._hub, self.notebook_id)
        await self._room.enter(self)
        await self._hub.listen(f"user.{self.user_id}", self._hear_of_person)
        try:
            access, missing = await in_database(standing.join, self.user, self.notebook_id, hello)
        except NotVisible:
            self._refuse_entry("gone", GONE)
        except history.Outdated:
            self._refuse_entry("reload", OUTDATED, schema=SCHEMA_VERSION)
        except history.Diverged:
            self._refuse_entry("diverged", DIVERGED)
        except (DatabaseError, InterfaceError, history.HistoryInterrupted):
            logger.exception("could not open notebook %s", self.notebook_id)
            self._outbox.close(SLOW)
        else:
            self._welcome(access, missing)
            return True
        return False

    def _welcome(self, access: Access, missing: history.History) -> None:
        self._level = access.level
        self._in_trash = access.notebook.trashed_at is not None
        self._room_now.start_at(missing.epoch, missing.seq)
        welcome = messages.json_frame(
            "welcome",
            epoch=str(missing.epoch),
            schema=SCHEMA_VERSION,
            seq=missing.seq,
            level=int(access.level),
            trashed=self._in_trash,
        )
        carets = self._room_now.carets()
        frames: list[bytes | str] = [welcome, messages.sync_frame(missing.seq, missing.updates)]
        self._outbox.post_first(*frames, *([carets] if carets else []))

    def _refuse_entry(self, kind: str, code: int, **fields: Any) -> None:
        self._outbox.post_first(messages.json_frame(kind, **fields))
        self._outbox.close(code)

    async def _leave(self) -> None:
        self._outbox.stop()
        if self._room is not None:
            await self._hub.leave(f"user.{self.user_id}", self._hear_of_person)
            await self._room.leave(self)

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    # --- frames from the browser ------------------------------------------------------------------

    async def _take_bytes(self, frame: bytes) -> None:
        kind = frame[0] if frame else -1
        if kind in (messages.UPDATE, messages.RESEND):
            update = messages.parse_update(frame)
            self._in_flight += 1
            self._room_now.submit(self, update)
            while self._in_flight >= IN_FLIGHT and not self._outbox.is_closing:
                self._may_continue.clear()
                await self._may_continue.wait()
        elif kind == messages.AWARENESS:
            carets = messages.parse_awareness(frame)
            person = self._person()
            self._room_now.announce(presence.signed(carets, client=self.client, person=person))
        else:
            raise Malformed("a frame of no known kind")

    async def _take_text(self, text: str) -> None:
        content = messages.parse_text(text)
        if content["type"] == "ping":
            self.post('{"type":"pong"}')
        elif content["type"] == "resync":
            await self._resync(messages.parse_resync(content))
        else:
            raise Malformed("a message of no known type")

    async def _resync(self, asked: messages.Resync) -> None:
        """Send again everything after the number that the browser has without a hole."""
        if self._now() - self._resynced_at < RESYNC_PAUSE_S:
            return
        self._resynced_at = self._now()
        later = await in_database(
            history.read_later, self.notebook_id, since=asked.seq, vector=asked.vector
        )
        self.post(messages.sync_frame(later.seq, later.updates))

    # --- what a room asks of a socket --------------------------------------------------------------

    def post(self, frame: bytes | str) -> None:
        """Send when possible."""
        self._outbox.post(frame)

    def post_shared(self, shared: Shared) -> None:
        """Send what goes to many."""
        self._outbox.post_shared(shared)

    def acknowledge(self, ids: list[int], *, first: int | None, last: int) -> None:
        """Say that these updates are stored; `first` where they are the whole batch first … last."""
        self._landed(len(ids))
        self.post_shared(Shared(messages.json_frame("ack", ids=ids, first=first, last=last)))

    def refuse(self, number: int, reason: str) -> None:
        """Say that this update was not taken."""
        self._landed(1)
        self.post(messages.json_frame("refused", id=number, reason=reason))

    def stand(self, level: Level | None, *, in_trash: bool) -> None:
        """Note what the person may do; below VIEW, or signed out (None), the socket ends."""
        if level is None:
            self.post(messages.json_frame("signedout"))
            self.drop(SIGNED_OUT)
        elif level < Level.VIEW:
            self.post(messages.json_frame("gone"))
            self.drop(GONE)
        elif level != self._level or in_trash != self._in_trash:
            self._level, self._in_trash = level, in_trash
            self.post(messages.json_frame("level", level=int(level), trashed=in_trash))

    def drop(self, code: int) -> None:
        """Close."""
        self._outbox.close(code)
        self._may_continue.set()

    def _landed(self, count: int) -> None:
        self._in_flight -= count
        self._may_continue.set()

    def _hear_of_person(self, message: Message) -> None:
        if message["type"] != "topic.event":
            return
        if message["event"]["type"] == "access.changed":
            self._room_now.check_rights(only=self.user_id)
        else:
            self.post(json.dumps(message["event"], separators=(",", ":")))

    def _person(self) -> dict[str, Any]:
        return {"id": str(self.user.pk), "name": str(self.user), "color": self.user.caret_color}

    @property
    def _room_now(self) -> Room:
        assert self._room is not None  # noqa: S101  (joined before any frame is taken)
        return self._room

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
