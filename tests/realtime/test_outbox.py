"""An outbox keeps the order, holds until released, and lets nobody wait for a slow reader."""

import asyncio
from typing import Any

import pytest

from apps.realtime import outbox
from apps.realtime.outbox import SLOW, Outbox, Shared


class Wire:
    """A socket whose reader can be stopped."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.fails: Exception | None = None
        self.ended = 0

    async def send(self, message: dict[str, Any]) -> None:
        await self.is_open.wait()
        if self.fails is not None:
            raise self.fails
        self.sent.append(message.get("bytes") or message.get("text") or message.get("code"))

    def end(self) -> None:
        self.ended += 1


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_frames_are_held_until_the_first_ones_are_known() -> None:
    wire = Wire()
    box = Outbox(wire.send, on_end=wire.end)
    box.post(b"later")
    await settle()
    assert wire.sent == []
    box.post_first("welcome", b"sync")
    box.post("last")
    await settle()
    assert wire.sent == ["welcome", b"sync", b"later", "last"]


async def test_posting_never_waits_for_the_reader() -> None:
    wire = Wire()
    box = Outbox(wire.send, on_end=wire.end)
    box.release()
    wire.is_open.clear()
    for number in range(100):
        box.post(str(number))
    await settle()
    assert wire.sent == []
    wire.is_open.set()
    await asyncio.sleep(0.01)
    assert wire.sent == [str(number) for number in range(100)]


async def test_a_reader_that_is_too_slow_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LIMIT_BYTES", 100)
    wire = Wire()
    box = Outbox(wire.send, on_end=wire.end)
    box.release()
    wire.is_open.clear()
    for _ in range(30):
        box.post(b"x" * 10)
        await settle()
    wire.is_open.set()
    await asyncio.sleep(0.01)
    assert wire.sent[-1] == SLOW
    assert len(wire.sent) < 13
    assert wire.ended == 1


async def test_closing_sends_what_waits_and_then_ends_once() -> None:
    wire = Wire()
    box = Outbox(wire.send, on_end=wire.end)
    box.post("gone")
    box.close(4404)
    box.close(4400)
    box.post("nothing more")
    await settle()
    assert wire.sent == ["gone", 4404]
    assert wire.ended == 1


@pytest.mark.parametrize("failure", [BrokenPipeError(), RuntimeError("already closed")])
async def test_a_socket_that_breaks_ends(failure: Exception) -> None:
    wire = Wire()
    wire.fails = failure
    box = Outbox(wire.send, on_end=wire.end)
    box.release()
    box.post("hello")
    await settle()
    assert wire.ended == 1


async def test_a_stopped_outbox_sends_nothing() -> None:
    wire = Wire()
    box = Outbox(wire.send, on_end=wire.end)
    box.release()
    wire.is_open.clear()
    box.post("one")
    await settle()
    box.stop()
    wire.is_open.set()
    box.post("two")
    await settle()
    assert wire.sent == []


async def test_a_shared_message_is_written_at_once_where_nothing_is_before_it() -> None:
    wire = Wire()
    written: list[bytes] = []
    box = Outbox(wire.send, on_end=wire.end, write=lambda frame: not written.append(frame))
    shared = Shared("to all")
    box.post_shared(shared)
    assert written == [], "held"
    box.release()
    await settle()
    assert wire.sent == ["to all"]
    box.post_shared(shared)
    assert written == [shared.frame]
    box.post("alone")
    box.post_shared(shared)
    await settle()
    assert wire.sent == ["to all", "alone", "to all"]
    assert len(written) == 1


async def test_a_shared_message_waits_where_it_cannot_be_written() -> None:
    for write in (None, lambda _frame: False):
        wire = Wire()
        box = Outbox(wire.send, on_end=wire.end, write=write)
        box.release()
        box.post_shared(Shared(b"to all"))
        await settle()
        assert wire.sent == [b"to all"]
        box.close(1000)
        box.post_shared(Shared(b"too late"))
        await settle()
        assert wire.sent == [b"to all", 1000]
