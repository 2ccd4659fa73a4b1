"""What an ASGI server announces: the process begins, the process ends."""

from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Lifespan:
    """Answer the server's two announcements and run what belongs to the beginning."""

    def __init__(self, on_startup: Callable[[], Awaitable[None]]) -> None:
        self._on_startup = on_startup

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the beginning, then for the end."""
        await receive()
        await self._on_startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
