"""What waits to be sent on one socket, so that a slow reader never holds up the others."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from apps.realtime.protocol import encoded

LIMIT_BYTES = 16 * 1024 * 1024
SLOW = 1013  # close code "try again later": the browser comes back and asks for what it missed

Send = Callable[[dict[str, Any]], Awaitable[None]]
Write = Callable[[bytes], bool]  # apps.realtime.protocol, where the server has it


class Shared:
    """A message for many sockets, encoded once."""

    def __init__(self, content: bytes | str) -> None:
        self.content = content
        self.frame = encoded(content)


class Outbox:
    """Send frames one after the other; hold them until `release`, end after `close`."""

    def __init__(
        self, send: Send, *, on_end: Callable[[], None], write: Write | None = None
    ) -> None:
        self._send = send
        self._write = write
        self._on_end = on_end
        self._waiting: deque[dict[str, Any]] = deque()
        self._waiting_bytes = 0
        self._is_busy = True  # held
        self._sender: asyncio.Task[None] | None = None
        self.is_closing = False

    def post_shared(self, shared: Shared) -> None:
        """Send a message that goes to many: at once, where nothing is before it."""
        if (
            self._is_busy
            or self._waiting
            or self.is_closing
            or self._write is None
            or not self._write(shared.frame)
        ):
            self.post(shared.content)

    def post(self, frame: bytes | str) -> None:
        """Send the frame as soon as those before it are sent."""
        if self.is_closing:
            return
        self._waiting_bytes += len(frame)
        if self._waiting_bytes > LIMIT_BYTES:
            self.close(SLOW)
            return
        kind = "bytes" if isinstance(frame, bytes) else "text"
        self._put({"type": "websocket.send", kind: frame})

    def post_first(self, *frames: bytes | str) -> None:
        """Send these before everything that was held, and hold no longer."""
        for frame in reversed(frames):
            kind = "bytes" if isinstance(frame, bytes) else "text"
            self._waiting.appendleft({"type": "websocket.send", kind: frame})
        self.release()

    def release(self) -> None:
        """Begin to send."""
        self._is_busy = False
        self._drain_soon()

    def close(self, code: int) -> None:
        """Send the close frame after what waits; what waits is dropped when it is too much."""
        if self.is_closing:
            return
        self.is_closing = True
        if self._waiting_bytes > LIMIT_BYTES:
            self._waiting.clear()
        self._is_busy = self._sender is not None
        self._put({"type": "websocket.close", "code": code})

    def stop(self) -> None:
        """Forget what waits: the socket is gone."""
        self.is_closing = True
        self._waiting.clear()
        if self._sender is not None:
            self._sender.cancel()

    def _put(self, message: dict[str, Any]) -> None:
        self._waiting.append(message)
        self._drain_soon()

    def _drain_soon(self) -> None:
        if not self._is_busy and self._waiting:
            self._is_busy = True
            self._sender = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        try:
            while self._waiting:
                message = self._waiting.popleft()
                self._waiting_bytes -= len(message.get("bytes") or message.get("text") or "")
                await self._send(message)
                if message["type"] == "websocket.close":
                    self._on_end()
                    return
        except (OSError, RuntimeError):  # the other side went away while we wrote
            self._on_end()
            return
        self._sender = None
        self._is_busy = False
