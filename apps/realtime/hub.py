"""The switchboard of one process: one subscription per topic, any number of listeners.

A socket of its own subscription each would make the channel layer deliver every message once per
socket. The hub belongs to an event loop; tests that run several loops get several hubs.

A layer that is away loses messages, and with them perhaps what we subscribed to. So a keeper repeats
what did not succeed, and from time to time all of it: a subscription that was forgotten over there
comes back by itself.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any

from channels.layers import get_channel_layer
from redis import RedisError

from apps.realtime.publish import group_name, use_this_loop

FIRST_PAUSE_S = 0.2  # before a failed subscription is tried again; doubles up to LONGEST_PAUSE_S
LONGEST_PAUSE_S = 5.0
RENEW_EVERY_S = 20.0
PATIENCE_S = 5.0  # with a layer that neither answers nor fails

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
        self._unsettled: set[str] = set()  # topics whose subscription may not fit
        self._is_broken = False
        self._reader: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._trouble = asyncio.Event()

    async def listen(self, topic: str, listener: Listener) -> None:
        """Call the listener with every message to the topic from now on."""
        listeners = self._listeners.setdefault(topic, set())
        listeners.add(listener)
        if len(listeners) == 1:
            await self._changed(topic)

    async def leave(self, topic: str, listener: Listener) -> None:
        """Stop calling the listener."""
        listeners = self._listeners.get(topic, set())
        listeners.discard(listener)
        if not listeners and self._listeners.pop(topic, None) is not None:
            await self._changed(topic)

    async def _changed(self, topic: str) -> None:
        """Make the subscription fit whether anybody listens; a broken layer is no reason to wait.

        Whoever needs certainty reads the database: messages are at most once anyway.
        """
        self._unsettled.add(topic)
        if not self._is_broken:
            await self._settle()
        if not self._listeners:
            self._stop()
        elif self._keeper is None or self._keeper.done():
            self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def _settle(self) -> None:
        """Make every unsettled subscription fit; what the layer does not take is left for later."""
        async with self._changing:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while self._unsettled:
                        await self._subscribe(next(iter(self._unsettled)))
            except (OSError, RedisError) as error:  # TimeoutError is an OSError
                logger.warning("the channel layer did not answer: %s", error)
                self._is_broken = True
                self._trouble.set()
            else:
                self._is_broken = False

    async def _subscribe(self, topic: str) -> None:
        if self._channel is None:
            self._channel = await self._layer.new_channel()
        is_wanted = topic in self._listeners
        if is_wanted:
            self._ensure_reader()
            await self._layer.group_add(group_name(topic), self._channel)
        else:
            await self._layer.group_discard(group_name(topic), self._channel)
        if is_wanted == (topic in self._listeners):  # it may have changed while we waited
            self._unsettled.discard(topic)

    async def _keep(self) -> None:
        """Repeat what did not succeed, each time after a longer pause, and regularly everything."""
        pause = FIRST_PAUSE_S
        while True:
            await self._rest(pause)
            if not self._is_broken:
                self._unsettled |= self._listeners.keys()
            await self._settle()
            pause = min(2 * pause, LONGEST_PAUSE_S) if self._is_broken else FIRST_PAUSE_S

    async def _rest(self, pause: float) -> None:
        """Wait until it is time to renew, or after trouble for the pause."""
        try:
            async with asyncio.timeout(RENEW_EVERY_S):
                await self._trouble.wait()
        except TimeoutError:
            return
        self._trouble.clear()
        await asyncio.sleep(pause)

    def _ensure_reader(self) -> None:
        if self._reader is None or self._reader.done():
            self._reader = asyncio.get_running_loop().create_task(self._read())

    def _stop(self) -> None:
        for task in (self._reader, self._keeper):
            if task is not None:
                task.cancel()
        self._reader = self._keeper = self._channel = None
        self._unsettled.clear()
        self._is_broken = False

    async def _read(self) -> None:
        channel = self._channel
        pause = FIRST_PAUSE_S
        while True:
            try:
                message = await self._layer.receive(channel)
            except (OSError, RedisError) as error:
                logger.warning("the channel layer gave no message: %s", error)
            except Exception:  # whatever it is: without this loop nobody here hears anything
                logger.exception("the channel layer gave no message")
            else:
                pause = FIRST_PAUSE_S
                self._hand_out(message)
                continue
            self._trouble.set()  # it may have forgotten us
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _hand_out(self, message: Message) -> None:
        for listener in list(self._listeners.get(message.get("topic", ""), ())):
            try:
                listener(message)
            except Exception:  # one listener's bug must not silence the others
                logger.exception("a listener failed on %s", message.get("type"))
