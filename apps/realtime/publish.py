"""Send events to topics. Called only from services and execution, and only after the commit."""

from functools import partial

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from apps.realtime.events import Event


def group_name(topic: str) -> str:
    """Return the channel-layer group of a topic such as `notebook.<id>` or `user.<id>`."""
    return f"topic.{topic}"


def on_commit(topic: str, event: Event) -> None:
    """Send the event to everyone who listens to the topic once the transaction is committed."""
    transaction.on_commit(partial(send, topic, event), robust=True)


def send(topic: str, event: Event) -> None:
    """Send now, from synchronous code. Delivery is at most once: a listener resyncs from the database."""
    async_to_sync(send_async)(topic, event)


async def send_async(topic: str, event: Event) -> None:
    """Send now, from asynchronous code."""
    layer = get_channel_layer()
    await layer.group_send(group_name(topic), {"type": "topic.event", "event": event.to_wire()})
