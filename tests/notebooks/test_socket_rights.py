"""Rights and sessions end while a notebook's socket is open."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session

from apps.accounts.models import User
from apps.notebooks import consumers, rooms
from apps.notebooks.services.notebooks import delete_notebook, trash_notebook
from apps.organizations.models import Membership, Role
from apps.organizations.policy import Level
from apps.realtime import publish
from apps.realtime.access import AccessChanged
from tests.notebooks.browsers import joined, update_frame
from tests.notebooks.sockets import Room, ending_of, rows_of, typed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("threads_end")]


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
