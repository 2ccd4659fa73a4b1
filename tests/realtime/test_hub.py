"""A subscription comes back by itself, whatever the channel layer goes through."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from redis import ConnectionError as RedisConnectionError

from apps.realtime import hub as hubs
from apps.realtime.hub import Hub
from apps.realtime.publish import group_name

TOPIC, OTHER = "notebook.one", "notebook.two"


class Moody(InMemoryChannelLayer):  # type: ignore[misc]  # channels has no types
    """A layer that can be away, be silent, and forget."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: Exception | None = None
        self.hangs = False
        self.asked = 0

    async def _answer(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails

    async def group_add(self, group: str, channel: str) -> None:
        await self._answer()
        await super().group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        await self._answer()
        await super().group_discard(group, channel)

    async def receive(self, channel: str) -> Any:
        if self.fails is not None:
            raise self.fails
        return await super().receive(channel)

    async def tell(self, topic: str, number: int) -> None:
        message = {"type": "topic.relay", "topic": topic, "number": number}
        await self.group_send(group_name(topic), message)


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Moody:
    layer = Moody()
    monkeypatch.setattr(hubs, "get_channel_layer", lambda: layer)
    monkeypatch.setattr(hubs, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(hubs, "LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(hubs, "RENEW_EVERY_S", 0.05)
    monkeypatch.setattr(hubs, "PATIENCE_S", 0.05)
    return layer


class Ear:
    """Keeps the numbers that it hears."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def __call__(self, message: dict[str, Any]) -> None:
        self.heard.append(message["number"])

    async def hears(self, layer: Moody, topic: str = TOPIC) -> bool:
        """Tell the topic until it is heard; False when it stays silent."""
        for number in range(100):
            await layer.tell(topic, number)
            await asyncio.sleep(0.01)
            if self.heard:
                return True
        return False


@pytest.fixture
async def hub(layer: Moody) -> AsyncIterator[Hub]:
    hub = Hub()
    keep = Ear()
    yield hub
    layer.fails, layer.hangs = None, False
    await hub.listen(TOPIC, keep)
    for topic in list(hub._listeners):
        for listener in list(hub._listeners[topic]):
            await hub.leave(topic, listener)


@pytest.mark.parametrize("failure", [ConnectionRefusedError(), RedisConnectionError("away")])
async def test_a_subscription_that_failed_is_tried_again(
    hub: Hub, layer: Moody, failure: Exception
) -> None:
    ear = Ear()
    layer.fails = failure
    await hub.listen(TOPIC, ear)
    await asyncio.sleep(0.1)
    assert layer.asked > 2
    layer.fails = None
    assert await ear.hears(layer)


async def test_a_layer_that_hangs_holds_nobody_up_twice(hub: Hub, layer: Moody) -> None:
    ear, other = Ear(), Ear()
    layer.hangs = True
    await hub.listen(TOPIC, ear)
    started = asyncio.get_running_loop().time()
    await hub.listen(OTHER, other)
    assert asyncio.get_running_loop().time() - started < 0.03
    layer.hangs = False
    assert await ear.hears(layer)
    assert await other.hears(layer, OTHER)


async def test_a_layer_that_forgets_is_told_again(hub: Hub, layer: Moody) -> None:
    ear = Ear()
    await hub.listen(TOPIC, ear)
    layer.groups.clear()
    assert await ear.hears(layer)


async def test_a_room_that_is_open_for_days_does_not_fall_silent(hub: Hub, layer: Moody) -> None:
    layer.group_expiry = 0.2
    ear = Ear()
    await hub.listen(TOPIC, ear)
    await asyncio.sleep(0.5)
    await layer.tell(TOPIC, 1)
    await asyncio.sleep(0.01)
    assert ear.heard == [1]


@pytest.mark.parametrize("failure", [ConnectionResetError(), ValueError("no message")])
async def test_reading_survives_what_the_layer_throws(
    hub: Hub, layer: Moody, failure: Exception
) -> None:
    ear = Ear()
    await hub.listen(TOPIC, ear)
    layer.fails = failure
    await layer.tell(TOPIC, 1)  # wakes the reader, whose next look fails
    await asyncio.sleep(0.1)
    layer.fails = None
    layer.groups.clear()
    ear.heard.clear()
    assert await ear.hears(layer)


async def test_who_left_while_the_layer_was_away_is_not_subscribed_again(
    hub: Hub, layer: Moody
) -> None:
    ear, other = Ear(), Ear()
    await hub.listen(OTHER, other)
    layer.fails = ConnectionRefusedError()
    await hub.listen(TOPIC, ear)
    await hub.leave(TOPIC, ear)
    layer.fails = None
    await asyncio.sleep(0.1)
    assert group_name(TOPIC) not in layer.groups
    assert await other.hears(layer, OTHER)


async def test_the_last_to_leave_ends_the_work(hub: Hub) -> None:
    ear = Ear()
    await hub.listen(TOPIC, ear)
    await hub.leave(TOPIC, ear)
    assert hub._reader is None
    assert hub._keeper is None
