"""People without a browser: they sign in over HTTP and write over real sockets, like the page does."""

import asyncio
import base64
import json
import random
import re
import sqlite3
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pycrdt import Doc, XmlElement, XmlFragment, XmlText
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from apps.notebooks import messages
from apps.notebooks.models import SCHEMA_VERSION
from tests.servers import Production

TLS_PROXY = {"X-Forwarded-Proto": "https"}  # what the proxy in front of production adds
DISCONNECTED = (OSError, WebSocketException, InvalidHandshake, TimeoutError)


@dataclass(frozen=True, kw_only=True)
class Account:
    """One of the demo's people."""

    role: str
    email: str
    password: str


def demo_accounts(data_dir: Path) -> dict[str, Account]:
    """Return the demo's people by mailbox (mara, tomas, ines, jonas, noor), as the first start kept them."""
    found = {}
    for line in (data_dir / "demo-accounts.txt").read_text().splitlines():
        role, _, person = line.partition(": ")
        _name, email, password = person.rsplit(", ", 2)
        found[email.partition("@")[0]] = Account(role=role, email=email, password=password)
    return found


def notebooks_by_title(data_dir: Path) -> dict[str, uuid.UUID]:
    """Return the ids of the notebooks in an embedded instance's database."""
    with sqlite3.connect(
        f"file:{data_dir / 'inferencecloud.sqlite3'}?mode=ro", uri=True
    ) as database:
        rows = database.execute("SELECT title, id FROM notebooks_notebook").fetchall()
    return {title: uuid.UUID(pk) for title, pk in rows}


def sign_in(url: str, account: Account) -> str:
    """Return the Cookie header of a new session."""
    with httpx.Client(base_url=url, headers={**TLS_PROXY, "Referer": _as_https(url)}) as client:
        page = client.get("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token, page.text[:2000]
        answer = client.post(
            "/accounts/login/",
            data={
                "csrfmiddlewaretoken": token[1],
                "login": account.email,
                "password": account.password,
            },
            headers={
                "Cookie": _cookies(page)
            },  # they are for https only, and this is the way behind it
        )
        assert answer.status_code == 302, answer.text[:2000]
        return f"{_cookies(page)}; {_cookies(answer)}"


def _as_https(url: str) -> str:
    return url.replace("http://", "https://") + "/"


def _cookies(answer: httpx.Response) -> str:
    return "; ".join(line.split(";")[0] for line in answer.headers.get_list("set-cookie"))


def open_socket(url: str, notebook: uuid.UUID, cookie: str) -> connect:
    """Return the connection to a notebook's socket (an async context manager)."""
    return connect(
        f"{url.replace('http', 'ws', 1)}/ws/notebooks/{notebook}/",
        additional_headers={"Cookie": cookie, **TLS_PROXY},
        origin=url,  # type: ignore[arg-type]  # any string is an Origin
        max_size=2**26,
        open_timeout=5,
        close_timeout=1,
    )


@dataclass(kw_only=True)
class Writer:
    """Types tokens into a notebook and keeps account of what was acknowledged.

    It behaves as the page does: what was not acknowledged is sent again after a reconnect, to whichever
    server answers.
    """

    name: str
    urls: list[str]
    notebook: uuid.UUID
    cookie: str
    seed: int
    pause_s: float = 0.03
    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    reconnects: int = 0

    def __post_init__(self) -> None:
        self.doc: Doc = Doc()
        self.fragment = self.doc.get("document", type=XmlFragment)
        self.random = random.Random(self.seed)
        self.pending: dict[int, tuple[str, bytes]] = {}
        self._written = 0
        self._epoch: str | None = None
        self._seq = 0

    @property
    def text(self) -> str:
        """Return the document as this writer sees it."""
        return str(self.fragment)

    async def write_until(self, enough: asyncio.Event) -> None:
        """Type until told to stop, then until everything is acknowledged."""
        while not (enough.is_set() and not self.pending):
            try:
                async with open_socket(self._any_url(), self.notebook, self.cookie) as socket:
                    await self._greet(socket)
                    await self._sit(socket, enough)
            except DISCONNECTED:
                self.reconnects += 1
                await asyncio.sleep(0.1)

    async def read(self) -> str:
        """Join once, without writing, and return the document."""
        for _ in range(100):
            try:
                async with open_socket(self._any_url(), self.notebook, self.cookie) as socket:
                    await self._greet(socket)
                    while self._epoch is None or self._seq < self._joined_at:
                        self._hear(await socket.recv())
                    return self.text
            except DISCONNECTED:
                await asyncio.sleep(0.1)
        raise AssertionError("no server let the reader in")

    def _any_url(self) -> str:
        return self.random.choice(self.urls)

    async def _greet(self, socket: ClientConnection) -> None:
        hello = {
            "type": "hello",
            "schema": SCHEMA_VERSION,
            "client": self.doc.client_id,
            "epoch": self._epoch,
            "seq": self._seq,
            "vector": base64.b64encode(self.doc.get_state()).decode(),
        }
        await socket.send(json.dumps(hello))
        welcome = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert welcome["type"] == "welcome", welcome
        self._epoch, self._joined_at = welcome["epoch"], welcome["seq"]
        for number, (_token, update) in self.pending.items():
            await socket.send(self._frame(messages.RESEND, number, update))

    async def _sit(self, socket: ClientConnection, enough: asyncio.Event) -> None:
        hearing = asyncio.create_task(self._hear_all(socket))
        try:
            while not hearing.done() and not (enough.is_set() and not self.pending):
                if not enough.is_set() and len(self.pending) < 50:
                    number, update = self._type()
                    await socket.send(self._frame(messages.UPDATE, number, update))
                await asyncio.sleep(self.pause_s * self.random.uniform(0.5, 1.5))
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    def _type(self) -> tuple[int, bytes]:
        """Write one token somewhere in the document; return its number and its update."""
        self._written += 1
        token = f"[{self.name}-{self._written}]"
        before = self.doc.get_state()
        children = self.fragment.children
        place = self.random.randint(0, len(children))
        children.insert(place, XmlElement("paragraph", {}, [XmlText(token)]))
        update = self.doc.get_update(before)
        self.pending[self._written] = (token, update)
        return self._written, update

    async def _hear_all(self, socket: ClientConnection) -> None:
        async for frame in socket:
            self._hear(frame)

    def _hear(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            self._hear_words(json.loads(frame))
        elif frame[0] == messages.SYNC:
            self._seq, at = messages.read_number(frame, 1)
            self._apply(frame, at)
        elif frame[0] == messages.CHANGES:
            _first, at = messages.read_number(frame, 1)
            _last, at = messages.read_number(frame, at)
            self._apply(frame, at)

    def _hear_words(self, said: dict[str, Any]) -> None:
        if said["type"] == "ack":
            for number in said["ids"]:
                token, _update = self.pending.pop(number, ("", b""))
                self.acknowledged.add(token)
        elif said["type"] == "refused":
            self.refused.append(said["reason"])

    def _apply(self, frame: bytes, at: int) -> None:
        while at < len(frame):
            length, at = messages.read_number(frame, at)
            self.doc.apply_update(frame[at : at + length])
            at += length

    @staticmethod
    def _frame(kind: int, number: int, update: bytes) -> bytes:
        return bytes([kind]) + messages.write_number(number) + update


def notebook_of_production(made: Production, title: str) -> uuid.UUID:
    """Return the id of a notebook in a production set-up."""
    code = f"from apps.notebooks.models import Notebook; print(Notebook.objects.get(title={title!r}).pk)"
    return uuid.UUID(made.manage("shell", "--no-imports", "-c", code).strip().splitlines()[-1])
