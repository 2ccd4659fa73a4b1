"""Real pages for the fuzz: static/notebooks/sync and the editor's undo, run by Node, on our sockets.

One process holds any number of pages. Each socket that a page opens leads to the real ASGI
application, over a line that delays, repeats and reorders, and breaks off when a page goes offline.
"""

import asyncio
import json
import random
import uuid
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from apps.notebooks import messages
from apps.notebooks.models import SCHEMA_VERSION
from tests.notebooks.browsers import Closed, Socket

SCRIPT = Path(__file__).parent / "js" / "pages.mjs"
LINE_LIMIT = 64 * 2**20
LATE_S = (0, 0, 0.001, 0.005, 0.02)


def encoded(update: bytes) -> str:
    """Return an update as it travels in a line of JSON."""
    return b64encode(update).decode()


class PageFault(Exception):
    """A page has thrown an exception."""


class Pages:
    """A process with pages in it, for as long as the block lasts."""

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}
        self.by_name: dict[str, Page] = {}
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next = 1

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            str(SCRIPT),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_error: object) -> None:
        for line in list(self.lines.values()):
            await line.cut()
        self._process.kill()
        await self._process.wait()
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading

    async def ask(self, does: str, **words: Any) -> dict[str, Any]:
        """Return the answer of the process; PageFault when something was thrown there."""
        number, self._next = self._next, self._next + 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self.tell(ask=number, does=does, **words)
        found = await answer
        if "fault" in found:
            raise PageFault(found["fault"])
        return found

    def tell(self, **words: Any) -> None:
        """Send a line to the process."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(words).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            words = json.loads(line)
            if "answer" in words:
                self._answers.pop(words["answer"]).set_result(words)
            elif words["does"] == "open":
                page = self.by_name[words["page"]]
                self.lines[words["socket"]] = Line(self, words["socket"], page)
            elif known := self.lines.get(words["socket"]):
                known.hear(words)
        for answer in self._answers.values():
            answer.set_exception(PageFault("the process has ended"))


@dataclass
class Page:
    """One person's page. Acts as a Typist does."""

    number: int
    pages: Pages
    notebook_id: uuid.UUID
    session: str
    seed: int
    is_connected: bool = False
    written: set[str] = field(default_factory=set)
    reloads: int = 0

    def __post_init__(self) -> None:
        self.name = f"page-{self.seed}-{self.number}"
        self.random = random.Random(f"page/{self.seed}/{self.number}")
        self._is_open = False
        self.pages.by_name[self.name] = self

    async def connect(self) -> None:
        """Open the page, or let it back onto the network."""
        self.is_connected = True
        if self._is_open:
            await self.pages.ask("online", page=self.name)
            return
        self._is_open = True
        about = {"notebook": str(self.notebook_id), "user": self.name, "schema": SCHEMA_VERSION}
        await self.pages.ask("open", page=self.name, number=self.number, seed=self.seed, **about)

    async def disconnect(self) -> None:
        """Take the page off the network; what is under way is lost."""
        self.is_connected = False
        await self.pages.ask("offline", page=self.name)
        for line in [line for line in self.pages.lines.values() if line.page is self]:
            await line.cut()

    async def act(self) -> None:
        """Do one thing; now and then come back from what the device has kept."""
        if self.random.random() < (0.02 if self.is_connected else 0.1):
            await self.pages.ask("reload", page=self.name)
            self.reloads += 1
        done = await self.pages.ask("act", page=self.name)
        self.written.update(done["written"])

    async def look(self) -> dict[str, Any]:
        """Return the saved state and everything that can be read."""
        return await self.pages.ask("look", page=self.name)

    async def close(self) -> None:
        """Leave for good."""
        await self.pages.ask("close", page=self.name)
        for line in [line for line in self.pages.lines.values() if line.page is self]:
            await line.cut()


class Line:
    """One socket of a page."""

    def __init__(self, pages: Pages, number: int, page: Page) -> None:
        self.page = page
        self._pages, self._number = pages, number
        self._socket = Socket(page.notebook_id, page.session)
        self._outgoing: asyncio.Queue[bytes | str] = asyncio.Queue()
        self._tasks = {asyncio.create_task(self._carry())}
        self._has_synced = False

    def hear(self, words: dict[str, Any]) -> None:
        """Take what the page does with its socket."""
        if words["does"] == "close":
            self._start(self.cut())
        else:
            text = words.get("text")
            self._outgoing.put_nowait(b64decode(words["bytes"]) if text is None else text)

    async def cut(self) -> None:
        """Break off: what is under way gets lost. The page is not told."""
        if self._pages.lines.pop(self._number, None) is None:
            return
        own = asyncio.current_task()
        for task in self._tasks - {own}:
            task.cancel()
        await self._socket.close()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self) -> None:
        try:
            await self._socket.open()
            self._pages.tell(socket=self._number, opened=True)
            self._start(self._carry_out())
            while True:
                self._deliver(await self._socket.receive(within_s=600))
        except Closed as closed:
            self._pages.tell(socket=self._number, closed=closed.code)
            self._pages.lines.pop(self._number, None)

    async def _carry_out(self) -> None:
        while True:
            frame = await self._outgoing.get()
            await asyncio.sleep(self.page.random.choice(LATE_S))
            await self._socket.send(frame)

    def _deliver(self, frame: Any) -> None:
        """Hand on a frame; after the first sync late, in another order and more than once."""
        is_late = self._has_synced
        self._has_synced |= isinstance(frame, bytes) and frame[0] == messages.SYNC
        if not is_late:
            self._hand_on(frame)
            return
        repeats = isinstance(frame, bytes) and self.page.random.random() < 0.1
        for _ in range(2 if repeats else 1):
            self._start(self._deliver_late(frame))

    async def _deliver_late(self, frame: Any) -> None:
        await asyncio.sleep(self.page.random.choice(LATE_S))
        self._hand_on(frame)

    def _hand_on(self, frame: Any) -> None:
        if isinstance(frame, bytes):
            self._pages.tell(socket=self._number, bytes=encoded(frame))
        else:
            self._pages.tell(socket=self._number, text=json.dumps(frame))
