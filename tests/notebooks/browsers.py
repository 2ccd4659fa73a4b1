"""A browser for tests: the protocol of static/notebooks/sync, spoken to the real ASGI application."""

import asyncio
import json
import uuid
from typing import Any

from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client

from apps.accounts.models import User
from apps.notebooks import messages
from apps.notebooks.models import SCHEMA_VERSION
from inferencecloud.routing import websocket_application

PATIENCE_S = 5.0


def session_of(user: User) -> str:
    """Return the session key of a fresh sign-in."""
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


class Closed(Exception):
    """The server closed the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Socket:
    """One socket, through the Origin check, the session and the routes."""

    def __init__(
        self, notebook_id: object, session: str | None, *, origin: str = "testserver"
    ) -> None:
        headers = [(b"origin", f"http://{origin}".encode()), (b"host", b"testserver")]
        if session:
            cookie = f"{settings.SESSION_COOKIE_NAME}={session}"
            headers.append((b"cookie", cookie.encode()))
        scope = {
            "type": "websocket",
            "path": f"/ws/notebooks/{notebook_id}/",
            "headers": headers,
            "query_string": b"",
            "subprotocols": [],
        }
        self._app = ApplicationCommunicator(websocket_application, scope)

    async def open(self) -> None:
        """Connect; Closed when the server rejects."""
        await self._app.send_input({"type": "websocket.connect"})
        answer = await self._app.receive_output(PATIENCE_S)
        if answer["type"] == "websocket.close":
            raise Closed(answer.get("code", 1000))

    async def send(self, frame: bytes | dict[str, Any] | str) -> None:
        """Send a frame; an object as JSON."""
        if isinstance(frame, bytes):
            await self._app.send_input({"type": "websocket.receive", "bytes": frame})
        else:
            text = frame if isinstance(frame, str) else json.dumps(frame)
            await self._app.send_input({"type": "websocket.receive", "text": text})

    async def receive(self, within_s: float = PATIENCE_S) -> Any:
        """Return the next frame: bytes, or the object of its JSON; Closed at the end."""
        answer = await self._app.receive_output(within_s)
        if answer["type"] == "websocket.close":
            raise Closed(answer.get("code", 1000))
        return answer["bytes"] if answer.get("bytes") is not None else json.loads(answer["text"])

    async def receive_type(self, kind: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """Return the next JSON message of the type, leaving out all before it."""
        async with asyncio.timeout(within_s):
            while True:
                frame = await self.receive(within_s)
                if isinstance(frame, dict) and frame["type"] == kind:
                    return frame

    async def receive_kind(self, kind: int, within_s: float = PATIENCE_S) -> bytes:
        """Return the next binary frame of the kind, leaving out all before it."""
        async with asyncio.timeout(within_s):
            while True:
                frame = await self.receive(within_s)
                if isinstance(frame, bytes) and frame[0] == kind:
                    return frame

    async def is_silent(self, for_s: float = 0.2) -> bool:
        """Say whether nothing comes for a moment."""
        return bool(await self._app.receive_nothing(for_s, for_s / 10))

    async def close(self) -> None:
        """Leave, and wait until the server has noticed."""
        if not self._app.future.done():
            await self._app.send_input({"type": "websocket.disconnect", "code": 1001})
            await self._app.wait(PATIENCE_S)


async def joined(
    notebook_id: uuid.UUID, user: User, *, client: int = 1, **hello: Any
) -> tuple[Socket, dict[str, Any], bytes]:
    """Return an open socket with the welcome and the sync that it was answered with."""
    socket = Socket(notebook_id, await sync_to_async(session_of)(user))
    await socket.open()
    await socket.send({"type": "hello", "schema": SCHEMA_VERSION, "client": client, **hello})
    welcome = await socket.receive_type("welcome")
    return socket, welcome, await socket.receive_kind(messages.SYNC)


def update_frame(number: int, payload: bytes, *, resent: bool = False) -> bytes:
    """Return the frame that carries an update to the server."""
    kind = messages.RESEND if resent else messages.UPDATE
    return bytes([kind]) + messages.write_number(number) + payload


def read_updates(frame: bytes) -> tuple[int, int, list[bytes]]:
    """Return first and last number and the updates of a SYNC or CHANGES frame."""
    first, at = messages.read_number(frame, 1)
    last = first
    if frame[0] == messages.CHANGES:
        last, at = messages.read_number(frame, at)
    found = []
    while at < len(frame):
        length, at = messages.read_number(frame, at)
        found.append(frame[at : at + length])
        at += length
    return first, last, found
