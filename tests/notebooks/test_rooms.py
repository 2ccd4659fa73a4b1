"""What a room does beside carrying frames: it keeps looking, and it knows where people write from."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async

from apps.notebooks import mirrors, rooms
from apps.notebooks.history import HistoryInterrupted
from apps.notebooks.models import SCHEMA_VERSION
from apps.notebooks.rooms import Room
from apps.organizations.models import AuditEvent
from apps.realtime.database import close_threads
from apps.realtime.hub import this_hub
from tests import factories
from tests.notebooks.browsers import Socket, session_of, update_frame
from tests.notebooks.test_updates import keystrokes


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    yield
    close_threads()
    mirrors.forget_all()


async def test_a_look_that_fails_does_not_end_the_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same loop ends rights that have expired."""
    checked: list[int] = []

    async def interrupted(_room: Room, before: int) -> int:
        raise HistoryInterrupted(before)

    monkeypatch.setattr(rooms, "LOOK_EVERY_S", 0.001)
    monkeypatch.setattr(rooms, "CHECK_RIGHTS_EVERY", 1)
    monkeypatch.setattr(Room, "_look", interrupted)
    monkeypatch.setattr(Room, "check_rights", lambda _room: checked.append(1))
    keeping = asyncio.create_task(Room(this_hub(), uuid.uuid4())._keep())
    while len(checked) < 3 and not keeping.done():
        await asyncio.sleep(0.001)
    assert not keeping.done()
    keeping.cancel()


@pytest.mark.django_db(transaction=True)
async def test_the_log_says_from_where_somebody_wrote(company: factories.Company) -> None:
    notebook = await sync_to_async(factories.notebook)(company.launches)
    session = await sync_to_async(session_of)(notebook.owner)
    socket = Socket(notebook.pk, session)
    socket._app.scope["client"] = ("192.0.2.7", 50_000)
    socket._app.scope["headers"].append((b"user-agent", b"Browser"))
    await socket.open()
    await socket.send({"type": "hello", "schema": SCHEMA_VERSION, "client": 1})
    await socket.receive_type("welcome")
    await socket.send(update_frame(1, keystrokes("a")[0]))
    await socket.receive_type("ack")
    event = await AuditEvent.objects.aget(verb="notebook.edited")
    assert (event.ip, event.user_agent) == ("192.0.2.7", "Browser")
    await socket.close()
