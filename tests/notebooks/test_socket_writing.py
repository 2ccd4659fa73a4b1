"""What is written on a notebook's socket, and what becomes of it."""

import uuid
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.notebooks import messages, rooms
from apps.notebooks.models import Document, DocUpdate
from apps.notebooks.services.notebooks import trash_notebook
from apps.organizations.models import Role
from apps.organizations.policy import Level
from tests import factories
from tests.notebooks.browsers import joined, read_updates, update_frame
from tests.notebooks.sockets import (
    Room,
    ending_of,
    rows_of,
    text_of,
    typed,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("threads_end")]


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
