"""The switchboard of one process: one subscription per topic, any number of listeners.

A socket of its own subscription each would make the channel layer deliver every message once per
socket. The hub belongs to an event loop; tests that run several loops get several hubs.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any

from channels.layers import get_channel_layer
from redis import RedisError

from apps.realtime.publish import group_name, use_this_loop

Message = dict[str, Any]
Listener = Callable[[Message], None]

logger = logging.getLogger(__name__)
_hubs: dict[asyncio.AbstractEventLoop, "Hub"] = {}


def this_hub() -> "Hub":
    """Return the hub of the running loop; the first call makes it the loop that publishes."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        for ended in [other for other in _hubs if other.is_closed()]:
            del _hubs[ended]
        use_this_loop()
        _hubs[loop] = Hub()
    return _hubs[loop]


class Hub:
    """Receive from the channel layer and hand every message to those who listen to its topic."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)
        self._layer = get_channel_layer()
        self._channel: str | None = None
        self._listeners: dict[str, set[Listener]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    async def listen(self, topic: str, listener: Listener) -> None:
        """Call the listener with every message to the topic from now on."""
        listeners = self._listeners.setdefault(topic, set())
        listeners.add(listener)
        if len(listeners) == 1:
            await self._settle(topic)

    async def leave(self, topic: str, listener: Listener) -> None:
        """Stop calling the listener."""
        listeners = self._listeners.get(topic, set())
        listeners.discard(listener)
        if not listeners and self._listeners.pop(topic, None) is not None:
            await self._settle(topic)

    async def _settle(self, topic: str) -> None:
        """Make the subscription fit whether anybody listens; a broken layer is no reason to fail.

        Whoever needs certainty reads the database: messages are at most once anyway.
        """
        async with self._changing:
            try:
                if self._channel is None:
                    self._channel = await self._layer.new_channel()
                if topic in self._listeners:
                    self._ensure_reader()
                    await self._layer.group_add(group_name(topic), self._channel)
                else:
                    await self._layer.group_discard(group_name(topic), self._channel)
            except (OSError, RedisError) as error:
                logger.warning("the channel layer did not answer: %s", error)
        if not self._listeners:
            self._stop_reader()

    def _ensure_reader(self) -> None:
        if self._reader is None or self._reader.done():
            self._reader = asyncio.get_running_loop().create_task(self._read())

    def _stop_reader(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
            self._channel = None

    async def _read(self) -> None:
        channel = self._channel
        while True:
            message = await self._layer.receive(channel)
            for listener in list(self._listeners.get(message.get("topic", ""), ())):
                try:
                    listener(message)
                except Exception:  # one listener's bug must not silence the others
                    logger.exception("a listener failed on %s", message.get("type"))
