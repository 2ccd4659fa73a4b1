"""Typists for the fuzz: clients of another make than our page, over a network that misbehaves.

Their documents are pycrdt's, and they send what they wrote out of order too, which a page does not.
Every insertion is a token that exists nowhere else, such as `[3.17]`. Undo is for pages (pages.py):
pycrdt's own lets copies differ (docs/adr/0009-undo.md).
"""

import asyncio
import random
import re
import uuid
from collections.abc import Iterator
from typing import Any

from pycrdt import Doc, XmlElement, XmlFragment, XmlText, merge_updates

from apps.notebooks import crdt, messages
from apps.notebooks.models import SCHEMA_VERSION
from apps.notebooks.numbers import Seen
from apps.realtime.outbox import SLOW
from tests.notebooks.browsers import Closed, Socket, read_updates, update_frame

TOKEN = re.compile(r"\[\d+\.\d+\]")
PATIENCE_S = 60.0
OBSERVED: list[Any] = []


class Typist:
    """One browser: a document, what is not yet acknowledged, and a line that comes and goes."""

    def __init__(self, number: int, *, notebook_id: uuid.UUID, session: str, seed: int) -> None:
        self.number = number
        self.random = random.Random(f"{seed}/{number}")
        self.doc: Doc = Doc(client_id=number + 1)
        self.content = self.doc.get("document", type=XmlFragment)
        self.updates: list[bytes] = []  # everything that was written here
        self.written: set[str] = set()
        self.unsent: list[bytes] = []
        self.sent: dict[int, bytes] = {}
        self.seen = Seen(0)
        self.epoch: str | None = None
        self.refusals: list[str] = []
        self._notebook_id = notebook_id
        self._session = session
        self._socket: Socket | None = None
        self._reader: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        self._next_id = 1
        self._next_token = 1
        self._waiting: list[bytes] = []
        self._is_acting = False
        # Kept for ever: pycrdt is reported to crash when an observer is removed.
        OBSERVED.append((self.doc, self.doc.observe(self._on_update)))

    # --- the line -------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open a socket and introduce oneself with what one has."""
        self._socket = Socket(self._notebook_id, self._session)
        await self._socket.open()
        hello: dict[str, Any] = {
            "type": "hello",
            "schema": SCHEMA_VERSION,
            "client": self.number + 1,
        }
        if self.epoch is not None:
            hello |= {"epoch": self.epoch, "seq": self.seen.upto}
        await self._socket.send(hello)
        welcome = await self._socket.receive_type("welcome", PATIENCE_S)
        self.epoch = welcome["epoch"]
        self._take(await self._socket.receive_kind(messages.SYNC, PATIENCE_S))
        self._reader = asyncio.create_task(self._read(self._socket))
        self.unsent = [*self.sent.values(), *self.unsent]  # what may have been lost goes again
        again, self.sent = len(self.sent), {}
        if self.random.random() < 0.3:
            self.random.shuffle(self.unsent)
        await self.flush(resent=again)

    async def disconnect(self) -> None:
        """Lose the line at any moment; what is under way to us is lost with it."""
        socket, self._socket = self._socket, None
        if socket is None:
            return
        if self._reader is not None:
            self._reader.cancel()
        for delivery in list(self._deliveries):
            delivery.cancel()
        await socket.close()

    async def flush(self, resent: int = 0) -> None:
        """Send what waits, some of it twice."""
        position = 0
        while self._socket is not None and self.unsent:
            payload = self.unsent.pop(0)
            number, self._next_id = self._next_id, self._next_id + 1
            self.sent[number] = payload
            frame = update_frame(number, payload, resent=position < resent)
            await self._socket.send(frame)
            if self._socket is not None and self.random.random() < 0.05:
                await self._socket.send(update_frame(self._next_id, payload, resent=True))
                self._next_id += 1
            position += 1

    async def _read(self, socket: Socket) -> None:
        """Take frames late, out of order and more than once."""
        while True:
            try:
                frame = await socket.receive(within_s=600)
            except Closed as closed:
                if self._socket is socket:
                    self._socket = None
                if closed.code != SLOW:
                    self.refusals.append(f"closed with {closed.code}")
                return
            self._deliver(frame)
            if isinstance(frame, bytes) and self.random.random() < 0.1:
                self._deliver(frame)

    def _deliver(self, frame: Any) -> None:
        async def late() -> None:
            await asyncio.sleep(self.random.choice([0, 0, 0.001, 0.005, 0.02]))
            self._take(frame)

        delivery = asyncio.create_task(late())
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    def _take(self, frame: Any) -> None:
        if isinstance(frame, dict):
            self._take_message(frame)
        elif frame[0] == messages.SYNC:
            seq, _same, payloads = read_updates(frame)
            self._apply(payloads)
            self.seen.add(1, seq)
        elif frame[0] == messages.CHANGES:
            first, last, payloads = read_updates(frame)
            self._apply(payloads)
            self.seen.add(first, last)

    def _take_message(self, message: dict[str, Any]) -> None:
        if message["type"] == "ack":
            for number in message["ids"]:
                self.sent.pop(number, None)
            if message["first"] is not None:
                self.seen.add(message["first"], message["last"])
        elif message["type"] == "refused":
            self.refusals.append(message["reason"])

    def _apply(self, payloads: list[bytes]) -> None:
        """Apply updates; those that came before what they build on are tried again, merged.

        pycrdt 0.14.13 sometimes leaves such updates waiting for ever inside the document. Yjs does
        not (measured with the same updates in the same order), and what the server stores is whole.
        """
        payload = merge_updates(*self._waiting, *payloads)
        self.doc.apply_update(payload)
        self._waiting = [payload] if crdt.waits(payload, self.doc.get_state()) else []

    @property
    def is_done(self) -> bool:
        """Say whether everything of ours is stored and nothing is under way to us."""
        return not (self.unsent or self.sent or self._deliveries)

    @property
    def is_connected(self) -> bool:
        """Say whether there is a line."""
        return self._socket is not None

    async def ask_again(self) -> None:
        """Ask for everything after the last number without a hole."""
        if self._socket is not None:
            await self._socket.send({"type": "resync", "seq": self.seen.upto})

    # --- typing ---------------------------------------------------------------------------------

    async def act(self) -> None:
        """Do one thing that people do in an editor."""
        acts = [self.insert] * 8 + [self.delete] * 3 + [self.format] * 2
        acts += [self.split, self.move, self.drop_paragraph]
        self._is_acting = True
        with self.doc.transaction():
            self.random.choice(acts)()
        self._is_acting = False
        await self.flush()

    def _on_update(self, event: Any) -> None:
        """Keep exactly what one act changed, as a browser's update event gives it."""
        if self._is_acting:
            self.updates.append(bytes(event.update))
            self.unsent.append(self.updates[-1])

    def insert(self) -> None:
        """Type a token somewhere between others."""
        paragraphs = list(self._paragraphs())
        if not paragraphs:
            self.split()
            return
        paragraph = self.random.choice(paragraphs)
        words = paragraph.children[0]
        token = self._new_token()
        ends = [match.end() for match in TOKEN.finditer(self._plain(words))]
        words.insert(self.random.choice([0, *ends]), token)

    def delete(self) -> None:
        """Delete a token that anybody has typed."""
        found = self._some_token()
        if found is None:
            return
        words, token = found
        self._remove(words, token)

    def format(self) -> None:
        """Make some text bold, or not bold any more."""
        found = self._some_token()
        if found is None:
            return
        words, token = found
        start = self._plain(words).index(token)
        words.format(start, start + len(token), {"bold": self.random.choice([True, None])})

    def split(self) -> None:
        """Begin a paragraph, with a first token in it."""
        name = f"p{self.number}-{self._next_token}"
        at = self.random.randint(0, len(self.content.children))
        paragraph = XmlElement("paragraph", {"name": name}, [XmlText("")])
        self.content.children.insert(at, paragraph)
        made = self.content.children[at]
        made.children[0].insert(0, self._new_token())

    def move(self) -> None:
        """Move a token: delete it here, type another there."""
        self.delete()
        self.insert()

    def drop_paragraph(self) -> None:
        """Delete a paragraph with all that is in it, whatever others are typing there."""
        at = [index for index, _one in enumerate(self.content.children)]
        if len(at) < 4:
            return
        index = self.random.choice(at)
        del self.content.children[index]

    def _paragraphs(self) -> Iterator[XmlElement]:
        for child in self.content.children:
            if isinstance(child, XmlElement) and child.tag == "paragraph" and len(child.children):
                yield child

    def _new_token(self) -> str:
        token = f"[{self.number}.{self._next_token}]"
        self._next_token += 1
        self.written.add(token)
        return token

    def _plain(self, words: XmlText) -> str:
        return "".join(str(piece) for piece, _marks in words.diff())

    def _some_token(self) -> tuple[XmlText, str] | None:
        paragraphs = list(self._paragraphs())
        self.random.shuffle(paragraphs)
        for paragraph in paragraphs:
            words = paragraph.children[0]
            tokens = TOKEN.findall(self._plain(words))
            if tokens:
                return words, self.random.choice(tokens)
        return None

    def _remove(self, words: XmlText, token: str) -> None:
        start = self._plain(words).index(token)
        del words[start : start + len(token)]
