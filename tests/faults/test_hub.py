"""Redis ends, comes back empty, and every process hears again."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis import Redis as Client

from apps.realtime import hub as hubs
from apps.realtime.hub import Hub
from apps.realtime.publish import group_name
from tests import servers

Layer = Any  # channels_redis has no types


class Ear:
    """Counts what it hears."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _message: dict[str, Any]) -> None:
        self.count += 1


async def hears(ear: Ear, layer: Layer, topic: str, within_s: float = 15) -> None:
    """Tell the topic, through a layer of another process, until it is heard."""
    before = ear.count
    async with asyncio.timeout(within_s):
        while ear.count == before:
            try:
                message = {"type": "topic.relay", "topic": topic}
                await layer.group_send(group_name(topic), message)
            except Exception:  # noqa: BLE001  (Redis is only just back)
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", [RedisPubSubChannelLayer, RedisChannelLayer])
async def test_topics_are_heard_again_after_redis_was_away_and_after_it_forgot(
    kind: Callable[..., Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "RENEW_EVERY_S", 1.0)
    with servers.temporary_folder() as folder:
        redis = servers.Redis(folder)
        redis.start()
        own, elsewhere = kind(hosts=[redis.url()]), kind(hosts=[redis.url()])
        monkeypatch.setattr(hubs, "get_channel_layer", lambda: own)
        hub, first, late = Hub(), Ear(), Ear()
        try:
            await hub.listen("notebook.first", first)
            await hears(first, elsewhere, "notebook.first")
            redis.kill()
            await hub.listen("notebook.late", late)
            await asyncio.to_thread(redis.start)
            await hears(first, elsewhere, "notebook.first")
            await hears(late, elsewhere, "notebook.late")
            with Client(port=redis.port) as client:
                client.flushall()
            await hears(first, elsewhere, "notebook.first")
        finally:
            await hub.leave("notebook.first", first)
            await hub.leave("notebook.late", late)
            redis.kill()
