"""Send events to topics. Called only from services and execution, and only after the commit.

The channel layer belongs to an event loop. In a web process that is the loop which serves the
sockets (`use_this_loop`); a Celery worker or a command gets a loop on a thread of its own. So every
thread may publish: nothing is awaited, and what one thread sends arrives in its order.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Coroutine
from functools import partial
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction
from redis import RedisError

from apps.realtime.events import Event

logger = logging.getLogger(__name__)
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_owner = os.getpid()  # a loop does not survive a fork


def group_name(topic: str) -> str:
    """Return the channel-layer group of a topic such as `notebook.<id>` or `user.<id>`."""
    return f"topic.{topic}"


def use_this_loop() -> None:
    """Publish through the running loop from now on: it is the one that serves the sockets."""
    global _loop, _owner
    with _lock:
        _loop, _owner = asyncio.get_running_loop(), os.getpid()


def on_commit(topic: str, event: Event) -> None:
    """Send the event to everyone who listens to the topic once the transaction is committed."""
    transaction.on_commit(partial(send, topic, event), robust=True)


def send(topic: str, event: Event) -> None:
    """Send now, from any thread. Delivery is at most once: a listener resyncs from the database."""
    _run(send_async(topic, event))


async def send_async(topic: str, event: Event) -> None:
    """Send now, from asynchronous code."""
    await _group_send({"type": "topic.event", "topic": topic, "event": event.to_wire()})


def relay(topic: str, kind: str, **fields: Any) -> None:
    """Send a message between the processes themselves, which no browser gets as it stands."""
    _run(relay_async(topic, kind, **fields))


async def relay_async(topic: str, kind: str, **fields: Any) -> None:
    """Send a message between the processes, from asynchronous code."""
    await _group_send({"type": "topic.relay", "topic": topic, "kind": kind, **fields})


async def _group_send(message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    try:
        await layer.group_send(group_name(message["topic"]), message)
    except (OSError, RedisError) as error:
        logger.warning("the channel layer did not take a message: %s", error)


def _run(sending: Coroutine[Any, Any, None]) -> None:
    """Run the coroutine on the publishing loop without waiting for it."""
    asyncio.run_coroutine_threadsafe(sending, _publishing_loop())


def _publishing_loop() -> asyncio.AbstractEventLoop:
    global _loop, _owner
    with _lock:
        if _loop is None or _loop.is_closed() or _owner != os.getpid():
            _loop, _owner = asyncio.new_event_loop(), os.getpid()
            threading.Thread(target=_loop.run_forever, name="publish", daemon=True).start()
        return _loop
