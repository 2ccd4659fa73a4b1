"""Every socket, by everybody who could try it (route_table.py)."""

import uuid
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async

from apps.notebooks import mirrors
from apps.notebooks.models import SCHEMA_VERSION
from apps.realtime.database import close_threads
from inferencecloud.routing import websocket_routes
from tests.architecture.route_table import SOCKETS
from tests.architecture.world import make_world
from tests.notebooks.browsers import Closed, Socket, joined, session_of


@pytest.fixture
def threads_end() -> Iterator[None]:
    """Give the database back before the test's tables are emptied."""
    yield
    close_threads()
    mirrors.forget_all()


def test_every_socket_has_a_row() -> None:
    assert {route.name for route in websocket_routes} == set(SOCKETS)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("threads_end")
async def test_who_may_open_a_notebook_s_socket() -> None:
    world = await sync_to_async(make_world)()
    notebook = uuid.UUID(world.names["notebook"])
    for name, user in world.people.items():
        if name in SOCKETS["notebook"]:
            socket, _welcome, _sync = await joined(notebook, user)
            await socket.close()
            continue
        session = await sync_to_async(session_of)(user) if user else None
        assert await _closed_with(notebook, session) == (4404 if user else 4401), name
        assert await _closed_with(uuid.uuid4(), session) == (4404 if user else 4401), name


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("threads_end")
async def test_a_socket_from_another_page_is_refused() -> None:
    world = await sync_to_async(make_world)()
    session = await sync_to_async(session_of)(world.people["writer"])
    socket = Socket(world.names["notebook"], session, origin="evil.example")
    with pytest.raises(Closed):
        await socket.open()


async def _closed_with(notebook: uuid.UUID, session: str | None) -> int:
    socket = Socket(notebook, session)
    try:
        await socket.open()
        await socket.send({"type": "hello", "schema": SCHEMA_VERSION, "client": 1})
        while True:
            await socket.receive()
    except Closed as closed:
        return closed.code
