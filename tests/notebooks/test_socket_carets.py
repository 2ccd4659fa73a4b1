"""Carets on a notebook's socket."""

import pytest

from apps.realtime import publish
from tests.notebooks.browsers import joined
from tests.notebooks.sockets import Room, caret_frame, carets_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("threads_end")]


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
