"""Publishing reaches the listeners of a process from whatever thread it is called."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from channels.layers import get_channel_layer
from django.db import transaction

from apps.realtime import publish
from apps.realtime.events import Event
from apps.realtime.hub import Hub, this_hub


@dataclass(frozen=True, kw_only=True)
class Counted(Event):
    """An event of these tests."""

    type: ClassVar[str] = "test.counted"
    number: int


class Heard:
    """Collects what a hub hears, and waits for it."""

    topics = (f"notebook.{number}" for number in itertools.count())

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.topic = next(self.topics)  # its own: what another test sent may arrive late
        self.messages: list[dict[str, Any]] = []

    def __call__(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    async def numbers(self, count: int) -> list[int]:
        async with asyncio.timeout(5):
            while len(self.messages) < count:
                await asyncio.sleep(0.01)
        return [message["event"]["number"] for message in self.messages]


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    hub = this_hub()
    listener = Heard(hub)
    await hub.listen(listener.topic, listener)
    yield listener
    await hub.leave(listener.topic, listener)


async def test_what_the_loop_itself_sends_arrives(heard: Heard) -> None:
    await publish.send_async(heard.topic, Counted(number=1))
    publish.send(heard.topic, Counted(number=2))
    assert await heard.numbers(2) == [1, 2]


async def test_what_a_worker_thread_sends_arrives_in_its_order(heard: Heard) -> None:
    def work() -> None:
        for number in range(100):
            publish.send(heard.topic, Counted(number=number))

    await asyncio.to_thread(work)
    assert await heard.numbers(100) == list(range(100))


async def test_many_threads_may_send_at_once(heard: Heard) -> None:
    def work(start: int) -> None:
        for number in range(start, start + 50):
            publish.send(heard.topic, Counted(number=number))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 500, 50)]
    for thread in threads:
        thread.start()
    assert sorted(await heard.numbers(500)) == list(range(500))


async def test_a_thread_with_a_loop_of_its_own_reaches_the_sockets_loop(heard: Heard) -> None:
    async def elsewhere() -> None:
        publish.send(heard.topic, Counted(number=7))

    await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    assert await heard.numbers(1) == [7]


def test_a_process_without_sockets_publishes_all_the_same() -> None:
    publish.send("notebook.nobody", Counted(number=1))
    publish.send("notebook.nobody", Counted(number=2))


@pytest.mark.django_db(transaction=True)
async def test_an_event_waits_for_the_commit_and_dies_with_a_rollback(heard: Heard) -> None:
    def work() -> None:
        with transaction.atomic():
            publish.on_commit(heard.topic, Counted(number=1))
            assert heard.messages == []
        with transaction.atomic():
            publish.on_commit(heard.topic, Counted(number=2))
            transaction.set_rollback(True)
        publish.send(heard.topic, Counted(number=3))

    await asyncio.to_thread(work)
    assert await heard.numbers(2) == [1, 3]


async def test_a_layer_that_is_down_harms_nobody(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_args: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(get_channel_layer(), "group_send", refuse)
    publish.send(heard.topic, Counted(number=1))
    await publish.send_async(heard.topic, Counted(number=2))
    assert heard.messages == []


async def test_a_relayed_message_is_no_event(heard: Heard) -> None:
    await publish.relay_async(heard.topic, "changes", first=1, last=2)
    publish.relay(heard.topic, "changes", first=3, last=4)
    async with asyncio.timeout(5):
        while len(heard.messages) < 2:
            await asyncio.sleep(0.01)
    assert [message["type"] for message in heard.messages] == ["topic.relay", "topic.relay"]
    assert [message["first"] for message in heard.messages] == [1, 3]


async def test_who_has_left_hears_nothing_more(heard: Heard) -> None:
    other = Heard(heard.hub)
    await heard.hub.listen(heard.topic, other)
    await publish.send_async(heard.topic, Counted(number=1))
    await heard.numbers(1)
    await heard.hub.leave(heard.topic, other)
    await publish.send_async(heard.topic, Counted(number=2))
    assert await heard.numbers(2) == [1, 2]
    assert len(other.messages) == 1


async def test_a_topic_can_be_left_and_joined_again(heard: Heard) -> None:
    await heard.hub.leave(heard.topic, heard)
    await publish.send_async(heard.topic, Counted(number=1))
    await heard.hub.listen(heard.topic, heard)
    await publish.send_async(heard.topic, Counted(number=2))
    assert await heard.numbers(1) == [2]


async def test_a_listener_that_fails_does_not_silence_the_others(heard: Heard) -> None:
    def fails(_message: dict[str, Any]) -> None:
        raise RuntimeError("a bug")

    await heard.hub.listen(heard.topic, fails)
    await publish.send_async(heard.topic, Counted(number=1))
    await publish.send_async(heard.topic, Counted(number=2))
    assert await heard.numbers(2) == [1, 2]
    await heard.hub.leave(heard.topic, fails)


async def test_listening_survives_a_layer_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_args: object) -> None:
        raise ConnectionRefusedError

    hub = this_hub()
    listener = Heard(hub)
    with monkeypatch.context() as down:
        down.setattr(get_channel_layer(), "group_add", refuse)
        await hub.listen(listener.topic, listener)
    await hub.leave(listener.topic, listener)
    await hub.listen(listener.topic, listener)
    await publish.send_async(listener.topic, Counted(number=1))
    assert await listener.numbers(1) == [1]
    await hub.leave(listener.topic, listener)
