"""The socket of a notebook, from the browser's side: who joins, and staying in step."""

import uuid
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.notebooks import consumers, messages, rooms
from apps.notebooks.models import SCHEMA_VERSION, Document, DocUpdate
from apps.notebooks.services import updates
from apps.notebooks.services.notebooks import rename_notebook
from apps.organizations.policy import Level
from tests.notebooks.browsers import Closed, Socket, joined, read_updates, session_of, update_frame
from tests.notebooks.sockets import (
    Room,
    ending_of,
    hello_is_answered_with,
    text_of,
    typed,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("threads_end")]


# --- joining -------------------------------------------------------------------------------------


async def test_a_joiner_is_answered_with_the_document_and_nobody_else(room: Room) -> None:
    first, welcome, sync = await joined(room.notebook.pk, room.owner)
    assert welcome["seq"] == 1
    assert welcome["level"] == Level.MANAGE
    assert welcome["trashed"] is False
    assert read_updates(sync)[0] == 1
    assert len(read_updates(sync)[2]) == 1
    second, _welcome, _sync = await joined(room.notebook.pk, room.editor, client=2)
    assert await first.is_silent()
    await first.close()
    await second.close()


async def test_a_browser_with_a_copy_gets_only_what_came_later(room: Room) -> None:
    ann, welcome, _sync = await joined(room.notebook.pk, room.owner)
    await ann.send(update_frame(1, typed("later")))
    await ann.receive_type("ack")
    await ann.close()
    again, _welcome, sync = await joined(
        room.notebook.pk, room.owner, epoch=welcome["epoch"], seq=welcome["seq"], vector="AA=="
    )
    assert read_updates(sync) == (2, 2, [typed("later")])
    await again.close()


async def test_nobody_joins_without_signing_in(room: Room) -> None:
    assert await hello_is_answered_with(room.notebook.pk, None) == ([], consumers.SIGNED_OUT)


async def test_a_foreign_page_cannot_open_a_socket(room: Room) -> None:
    session = await sync_to_async(session_of)(room.owner)
    socket = Socket(room.notebook.pk, session, origin="elsewhere.example")
    with pytest.raises(Closed):
        await socket.open()


async def test_a_notebook_that_one_may_not_see_does_not_exist(room: Room) -> None:
    gone = (["gone"], consumers.GONE)
    assert await hello_is_answered_with(room.notebook.pk, room.stranger) == gone
    assert await hello_is_answered_with(uuid.uuid4(), room.owner) == gone


@pytest.mark.parametrize("schema", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
async def test_a_page_of_another_schema_must_reload_before_it_writes(
    room: Room, schema: int
) -> None:
    answer = await hello_is_answered_with(room.notebook.pk, room.owner, schema=schema)
    assert answer == (["reload"], consumers.OUTDATED)


async def test_a_copy_of_another_epoch_has_diverged(room: Room) -> None:
    answer = await hello_is_answered_with(
        room.notebook.pk, room.owner, epoch=str(uuid.uuid4()), seq=1
    )
    assert answer == (["diverged"], consumers.DIVERGED)


async def test_a_copy_that_is_ahead_of_a_restored_server_has_diverged(room: Room) -> None:
    document = await Document.objects.aget(pk=room.notebook.pk)
    answer = await hello_is_answered_with(
        room.notebook.pk, room.owner, epoch=str(document.epoch), seq=2
    )
    assert answer == (["diverged"], consumers.DIVERGED)


async def test_a_missing_document_is_made_by_the_first_joiner(room: Room) -> None:
    await Document.objects.filter(pk=room.notebook.pk).adelete()
    socket, welcome, sync = await joined(room.notebook.pk, room.owner)
    assert welcome["seq"] == 0
    assert read_updates(sync) == (0, 0, [])
    await socket.close()


# --- strange frames ------------------------------------------------------------------------------


MALFORMED_FRAMES: list[bytes | str] = [
    b"",
    b"\x09what",
    bytes([messages.SYNC, 1]),
    bytes([messages.UPDATE]),
    bytes([messages.UPDATE]) + b"\xff" * 12,
    bytes([messages.AWARENESS, 1, 5, 1, 3]) + b"{",
    bytes([messages.AWARENESS, 1, 5, 1, 2]) + b"[]",
    bytes([messages.AWARENESS]) + b"\x00" * 9000,
    "",
    "no json",
    "[1]",
    '{"type": 1}',
    '{"type": "hello"}',
    '{"type": "resync"}',
    '{"type": "resync", "seq": -1}',
    '{"type": "resync", "seq": 1, "vector": "?"}',
    '{"type": "resync", "seq": 1, "vector": "BQ=="}',
    '{"type": "unheard-of"}',
    "[" * 60_000,
    '{"type": "ping", "x": "' + "x" * 70_000 + '"}',
]


async def test_a_malformed_frame_ends_the_socket(room: Room) -> None:
    for frame in MALFORMED_FRAMES:
        ann, _w, _s = await joined(room.notebook.pk, room.owner)
        await ann.send(frame)
        assert await ending_of(ann) == ([], consumers.MALFORMED), frame


STRANGE_HELLOS: list[dict[str, Any]] = [
    {"schema": "1"},
    {"schema": True},
    {"client": None},
    {"client": 2**60},
    {"seq": 1.5},
    {"epoch": "none"},
    {"epoch": 5},
    {"vector": 5},
]


async def test_a_strange_hello_ends_the_socket(room: Room) -> None:
    for hello in STRANGE_HELLOS:
        answer = await hello_is_answered_with(room.notebook.pk, room.owner, **hello)
        assert answer == ([], consumers.MALFORMED), hello


async def test_a_browser_must_say_hello_first(room: Room) -> None:
    session = await sync_to_async(session_of)(room.owner)
    for first in ('{"type": "ping"}', update_frame(1, typed("hello"))):
        socket = Socket(room.notebook.pk, session)
        await socket.open()
        await socket.send(first)
        assert await ending_of(socket) == ([], consumers.MALFORMED)


async def test_a_browser_that_says_nothing_is_sent_away(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "HELLO_WITHIN_S", 0.05)
    socket = Socket(room.notebook.pk, await sync_to_async(session_of)(room.owner))
    await socket.open()
    assert await ending_of(socket) == ([], consumers.MALFORMED)


async def test_leaving_before_the_hello_is_no_fault(room: Room) -> None:
    socket = Socket(room.notebook.pk, await sync_to_async(session_of)(room.owner))
    await socket.open()
    await socket.close()


# --- staying in step -----------------------------------------------------------------------------


async def test_a_ping_is_answered(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await ann.send({"type": "ping"})
    assert await ann.receive() == {"type": "pong"}
    await ann.close()


async def test_a_browser_that_fell_asleep_is_sent_away(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "SILENT_AFTER_S", 0.1)
    monkeypatch.setattr(rooms, "LOOK_EVERY_S", 0.1)
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    assert await ending_of(ann) == ([], rooms.SLOW)


async def test_what_another_process_stored_arrives_through_the_channel_layer(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    incoming = [updates.Incoming(user_id=room.editor.pk, payload=typed("from afar"))]
    await sync_to_async(updates.append)(notebook_id=room.notebook.pk, incoming=incoming)
    first, last, payloads = read_updates(await ann.receive())
    assert (first, last) == (2, 2)
    assert text_of(*payloads) == "from afar"
    await ann.close()


async def test_what_is_too_large_for_the_layer_is_read_from_the_database(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "RELAY_LIMIT_BYTES", 10)
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    incoming = [updates.Incoming(user_id=None, payload=typed("a long text indeed"))]
    await sync_to_async(updates.append)(notebook_id=room.notebook.pk, incoming=incoming)
    assert text_of(*read_updates(await ann.receive())[2]) == "a long text indeed"
    await ann.close()


async def test_what_no_message_told_is_found_within_two_seconds(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await DocUpdate.objects.acreate(document_id=room.notebook.pk, seq=2, payload=typed("unheard"))
    await Document.objects.filter(pk=room.notebook.pk).aupdate(last_seq=2)
    frame = await ann.receive(within_s=2.2)
    assert read_updates(frame) == (2, 2, [typed("unheard")])
    await ann.close()


async def test_a_browser_that_sees_a_hole_gets_everything_after_it(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await ann.send(update_frame(1, typed("hello")))
    await ann.receive_type("ack")
    await ann.send({"type": "resync", "seq": 1})
    assert read_updates(await ann.receive_kind(messages.SYNC)) == (2, 2, [typed("hello")])
    await ann.close()


async def test_events_of_the_topic_reach_every_browser(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await sync_to_async(rename_notebook)(notebook=room.notebook, by=room.owner, title="New name")
    renamed = await ann.receive_type("notebook.renamed")
    assert renamed["title"] == "New name"
    await ann.close()
