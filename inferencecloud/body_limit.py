"""Refuse a request whose body is larger than anything we take, before a byte of it is written to disk.

Django reads a whole body into a temporary file before any view (or sign-in) has been asked, and its
own limit leaves out uploaded files. uvicorn has none.
"""

from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]

REFUSAL = b"The request is too large."
DIGITS = 18  # of a length that is read at all: cut there, it is still above every limit


class BodyLimit:
    """Answer 413 where the length that was announced, or what has come so far, is above the limit."""

    def __init__(self, application: Application, *, limit_bytes: int) -> None:
        self._application = application
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if _announced(scope) > self._limit_bytes:
            await _refuse(send)
        else:
            await self._watched(scope, receive, send)

    async def _watched(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a body whose length nobody vouches for; the client is cut off where it ends."""
        taken = 0
        is_refused = False

        async def counted() -> Message:
            nonlocal taken, is_refused
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit_bytes:
                is_refused = True
                return {"type": "http.disconnect"}
            return message

        async def answer(message: Message) -> None:
            if not is_refused:
                await send(message)

        await self._application(scope, counted, answer)
        if is_refused:
            await _refuse(send)


def _announced(scope: Scope) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length[:DIGITS]) if length.isdigit() else 0


async def _refuse(send: Send) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(REFUSAL)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": REFUSAL})
