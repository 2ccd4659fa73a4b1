"""The socket of a notebook, from the browser's side."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from pycrdt import Doc, Text

from apps.accounts.models import User
from apps.notebooks import consumers, messages, mirrors, rooms
from apps.notebooks.messages import Caret
from apps.notebooks.models import SCHEMA_VERSION, Document, DocUpdate, Notebook
from apps.notebooks.services import updates
from apps.notebooks.services.notebooks import delete_notebook, rename_notebook, trash_notebook
from apps.organizations.models import Membership, Role
from apps.organizations.policy import Level
from apps.realtime import publish
from apps.realtime.access import AccessChanged
from apps.realtime.database import close_threads
from tests import factories
from tests.notebooks.browsers import Closed, Socket, joined, read_updates, session_of, update_frame

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Room:
    """A notebook with somebody for each thing that a person may do."""

    notebook: Notebook
    owner: User
    editor: User
    viewer: User
    stranger: User


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    """Give the database back before the test's tables are emptied."""
    yield
    close_threads()
    mirrors.forget_all()


@pytest.fixture
def room(company: factories.Company) -> Room:
    owner = factories.member(company.launches)
    return Room(
        notebook=factories.notebook(company.launches, by=owner),
        owner=owner,
        editor=factories.member(company.launches, Role.EDITOR),
        viewer=factories.member(company.launches, Role.VIEWER),
        stranger=factories.member(company.shops, Role.EDITOR),
    )


def typed(text: str, client: int = 7) -> bytes:
    """Return the update of somebody who typed the text into an empty document."""
    doc: Doc = Doc(client_id=client)
    words = doc.get("test", type=Text)
    words += text
    return bytes(doc.get_update())


def text_of(*payloads: bytes) -> str:
    doc: Doc = Doc()
    for payload in payloads:
        doc.apply_update(payload)
    return str(doc.get("test", type=Text))


@sync_to_async
def rows_of(notebook: Notebook) -> int:
    return DocUpdate.objects.filter(document=notebook.pk).count()


def caret_frame(client: int, clock: int, state: dict[str, Any] | None) -> bytes:
    return messages.awareness_frame([Caret(client=client, clock=clock, state=state)])


async def carets_of(socket: Socket) -> list[Caret]:
    return messages.parse_awareness(await socket.receive_kind(messages.AWARENESS))


async def ending_of(socket: Socket) -> tuple[list[str], int]:
    """Return the types of the JSON messages until the server closes, and its code."""
    said = []
    try:
        while True:
            frame = await socket.receive()
            if isinstance(frame, dict):
                said.append(frame["type"])
    except Closed as closed:
        return said, closed.code


async def hello_is_answered_with(
    notebook_id: object, user: User | None, **hello: Any
) -> tuple[list[str], int]:
    session = await sync_to_async(session_of)(user) if user else None
    socket = Socket(notebook_id, session)
    await socket.open()
    await socket.send({"type": "hello", "schema": SCHEMA_VERSION, "client": 1, **hello})
    return await ending_of(socket)


# --- joining ------------------------------------------------------------------------------------


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


# --- writing ------------------------------------------------------------------------------------


async def test_an_update_is_stored_acknowledged_and_relayed_without_echo(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    ben, _w, _s = await joined(room.notebook.pk, room.editor, client=2)
    await ann.send(update_frame(1, typed("hello")))
    assert await ann.receive() == {"type": "ack", "ids": [1], "first": 2, "last": 2}
    first, last, payloads = read_updates(await ben.receive())
    assert (first, last) == (2, 2)
    assert text_of(*payloads) == "hello"
    assert await ann.is_silent()
    assert await rows_of(room.notebook) == 2
    await ann.close()
    await ben.close()


async def test_everything_typed_in_a_rush_gets_its_own_number(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    ben, _w, _s = await joined(room.notebook.pk, room.editor, client=2)
    for number in range(1, 41):
        await ann.send(update_frame(number, typed(f"a{number}", client=100 + number)))
        await ben.send(update_frame(number, typed(f"b{number}", client=200 + number)))
    for socket in (ann, ben):
        acknowledged: list[int] = []
        while len(acknowledged) < 40:
            acknowledged += (await socket.receive_type("ack"))["ids"]
        assert acknowledged == list(range(1, 41))
    stored = DocUpdate.objects.filter(document=room.notebook.pk).order_by("seq")
    assert [row.seq async for row in stored] == list(range(1, 82))
    await ann.close()
    await ben.close()


async def test_a_resent_update_is_acknowledged_and_not_stored_twice(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await ann.send(update_frame(1, typed("once")))
    await ann.receive_type("ack")
    await ann.send(update_frame(2, typed("once"), resent=True))
    assert (await ann.receive_type("ack"))["ids"] == [2]
    await ann.send(update_frame(3, typed("lost before", client=8), resent=True))
    assert (await ann.receive_type("ack"))["ids"] == [3]
    assert await rows_of(room.notebook) == 3
    await ann.close()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER, Role.APPROVER])
async def test_who_may_only_read_is_refused_and_goes_on_reading(
    room: Room, company: factories.Company, role: str
) -> None:
    reader = await sync_to_async(factories.member)(company.launches, role)
    ben, welcome, _s = await joined(room.notebook.pk, reader, client=2)
    assert welcome["level"] < Level.EDIT
    await ben.send(update_frame(1, typed("no")))
    assert await ben.receive() == {"type": "refused", "id": 1, "reason": "not_allowed"}
    assert await rows_of(room.notebook) == 1
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await ann.send(update_frame(1, typed("yes")))
    assert text_of(*read_updates(await ben.receive_kind(messages.CHANGES))[2]) == "yes"
    await ann.close()
    await ben.close()


async def test_nothing_is_written_in_the_trash(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await sync_to_async(trash_notebook)(notebook=room.notebook, by=room.owner)
    assert (await ann.receive_type("level"))["trashed"] is True
    await ann.send(update_frame(1, typed("late")))
    assert (await ann.receive_type("refused"))["reason"] == "in_trash"
    assert await rows_of(room.notebook) == 1
    await ann.close()


def cut_off() -> bytes:
    return typed("some words")[:-3]


def impossible() -> bytes:
    """Return an update that decodes, and whose item has a piece of text for its parent."""
    return bytes([1, 1, 9, 0, 4, 0, 7, 0, 1]) + b"x" + bytes([0])


async def test_what_is_no_update_is_refused_and_the_others_go_on(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    for payload in (b"", b"\x00", b"garbage", b"\xff" * 40, cut_off()):
        await ann.send(update_frame(1, payload))
        assert await ann.receive() == {"type": "refused", "id": 1, "reason": "invalid"}
    await ann.send(update_frame(2, typed("fine")))
    assert (await ann.receive_type("ack"))["ids"] == [2]
    assert await rows_of(room.notebook) == 2
    await ann.close()


async def test_an_update_that_would_make_the_document_unloadable_is_refused(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await ann.send(update_frame(1, typed("words", client=7)))
    await ann.receive_type("ack")
    await ann.send(update_frame(2, impossible()))
    assert (await ann.receive_type("refused"))["id"] == 2
    await ann.send(update_frame(3, typed("more", client=8)))
    assert (await ann.receive_type("ack"))["ids"] == [3]
    await ann.close()
    again, _welcome, sync = await joined(room.notebook.pk, room.owner)
    assert sorted(text_of(*read_updates(sync)[2])) == sorted("wordsmore")
    await again.close()


async def test_an_update_over_the_limit_is_refused(room: Room, settings: Any) -> None:
    settings.UPDATE_LIMIT_BYTES = 100
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await ann.send(update_frame(1, typed("x" * 200)))
    assert (await ann.receive_type("refused"))["reason"] == "too_large"
    await ann.close()


async def test_what_stands_after_an_update_is_not_stored(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await ann.send(update_frame(1, typed("hello") + b"rubbish"))
    await ann.receive_type("ack")
    stored = await DocUpdate.objects.aget(document=room.notebook.pk, seq=2)
    assert bytes(stored.payload) == typed("hello")
    await ann.close()


async def test_a_batch_that_cannot_be_stored_is_not_acknowledged(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await Document.objects.filter(pk=room.notebook.pk).adelete()
    await ann.send(update_frame(1, typed("hello")))
    assert await ending_of(ann) == ([], rooms.SLOW)


async def test_sockets_of_a_replaced_history_are_sent_away_before_they_write(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await Document.objects.filter(pk=room.notebook.pk).aupdate(epoch=uuid.uuid4())
    await ann.send(update_frame(1, typed("hello")))
    assert await ending_of(ann) == ([], rooms.SLOW)
    assert await rows_of(room.notebook) == 1


# --- strange frames -----------------------------------------------------------------------------


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


# --- staying in step ----------------------------------------------------------------------------


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


# --- carets -------------------------------------------------------------------------------------


async def test_a_caret_travels_under_the_name_of_who_is_signed_in(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner, client=11)
    ben, _w, _s = await joined(room.notebook.pk, room.editor, client=12)
    await ann.send(caret_frame(11, 1, {"cursor": 5, "user": {"name": "Somebody else"}}))
    [caret] = await carets_of(ben)
    assert (caret.client, caret.clock) == (11, 1)
    assert caret.state is not None
    assert caret.state["cursor"] == 5
    assert caret.state["user"] == {
        "id": str(room.owner.pk),
        "name": room.owner.name,
        "color": room.owner.caret_color,
    }
    assert await ann.is_silent()
    await ann.close()
    await ben.close()


async def test_a_caret_of_another_browser_cannot_be_moved(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner, client=11)
    ben, _w, _s = await joined(room.notebook.pk, room.editor, client=12)
    await ann.send(caret_frame(12, 99, {"cursor": 5}))
    await ann.send(caret_frame(11, 1, {"cursor": 6}))
    assert [caret.client for caret in await carets_of(ben)] == [11]
    await ann.close()
    await ben.close()


async def test_a_late_joiner_sees_the_carets_and_a_leaver_takes_his_along(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner, client=11)
    await ann.send(caret_frame(11, 3, {"cursor": 5}))
    await ann.send({"type": "ping"})
    await ann.receive_type("pong")
    ben, _w, _s = await joined(room.notebook.pk, room.viewer, client=12)
    assert [(caret.client, caret.clock) for caret in await carets_of(ben)] == [(11, 3)]
    await ann.close()
    told = await carets_of(ben)
    while all(caret.state is not None for caret in told):  # told twice, between processes
        told = await carets_of(ben)
    [farewell] = [caret for caret in told if caret.state is None]
    assert (farewell.client, farewell.clock) == (11, 4)
    await ben.close()


async def test_carets_of_other_processes_are_asked_for_and_answered(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner, client=11)
    topic = f"notebook.{room.notebook.pk}"
    frame = caret_frame(77, 1, {"cursor": 1})
    await publish.relay_async(topic, "carets", sender="another process", frame=frame)
    assert [caret.client for caret in await carets_of(ann)] == [77]
    await publish.relay_async(topic, "carets?", sender="another process")
    ben, _w, _s = await joined(room.notebook.pk, room.editor, client=12)
    assert [caret.client for caret in await carets_of(ben)] == [77]
    await ann.close()
    await ben.close()


# --- rights -------------------------------------------------------------------------------------


@sync_to_async
def membership_ends(user: User) -> None:
    Membership.objects.filter(user=user).delete()
    publish.send(f"user.{user.pk}", AccessChanged())


async def test_a_withdrawn_right_closes_the_open_socket(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    ben, _w, _s = await joined(room.notebook.pk, room.editor, client=2)
    await membership_ends(room.editor)
    assert await ending_of(ben) == (["gone"], consumers.GONE)
    await ann.send({"type": "ping"})
    assert await ann.receive() == {"type": "pong"}
    await ann.close()


async def test_a_right_withdrawn_without_a_message_holds_for_the_next_update(room: Room) -> None:
    ben, _w, _s = await joined(room.notebook.pk, room.editor)
    await Membership.objects.filter(user=room.editor).adelete()
    await ben.send(update_frame(1, typed("too late")))
    said, code = await ending_of(ben)
    assert (said, code) == (["refused", "gone"], consumers.GONE)
    assert await rows_of(room.notebook) == 1


async def test_a_right_withdrawn_without_a_message_is_noticed_by_looking(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(rooms, "CHECK_RIGHTS_EVERY", 2)
    ben, _w, _s = await joined(room.notebook.pk, room.editor)
    await Membership.objects.filter(user=room.editor).adelete()
    assert await ending_of(ben) == (["gone"], consumers.GONE)


async def test_a_changed_level_is_told(room: Room) -> None:
    ben, _w, _s = await joined(room.notebook.pk, room.editor)
    await Membership.objects.filter(user=room.editor).aupdate(role=Role.VIEWER)
    await publish.send_async(f"notebook.{room.notebook.pk}", AccessChanged())
    told = await ben.receive_type("level")
    assert told == {"type": "level", "level": Level.VIEW, "trashed": False}
    await ben.close()


async def test_a_deleted_notebook_is_gone(room: Room) -> None:
    ben, _w, _s = await joined(room.notebook.pk, room.editor)
    await sync_to_async(trash_notebook)(notebook=room.notebook, by=room.owner)
    await sync_to_async(delete_notebook)(notebook=room.notebook, by=room.owner)
    said, code = await ending_of(ben)
    assert said[-1] == "gone"
    assert code == consumers.GONE


async def test_signing_out_ends_the_sockets_of_that_session_only(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    first = await Session.objects.afirst()
    other, _w, _s = await joined(room.notebook.pk, room.owner, client=2)
    assert first is not None
    await Session.objects.filter(pk=first.pk).adelete()
    await publish.send_async(f"user.{room.owner.pk}", AccessChanged())
    assert await ending_of(ann) == (["signedout"], consumers.SIGNED_OUT)
    await other.send({"type": "ping"})
    assert await other.receive() == {"type": "pong"}
    await other.close()


async def test_a_changed_password_ends_the_sockets_of_the_old_one(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    room.owner.set_password("another-long-password")
    await room.owner.asave(update_fields=["password"])
    await publish.send_async(f"user.{room.owner.pk}", AccessChanged())
    assert await ending_of(ann) == (["signedout"], consumers.SIGNED_OUT)


async def test_a_deactivated_person_loses_the_sockets(room: Room) -> None:
    ann, _w, _s = await joined(room.notebook.pk, room.owner)
    await User.objects.filter(pk=room.owner.pk).aupdate(is_active=False)
    await publish.send_async(f"user.{room.owner.pk}", AccessChanged())
    assert await ending_of(ann) == (["signedout"], consumers.SIGNED_OUT)
