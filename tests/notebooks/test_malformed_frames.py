"""Ten thousand malformed frames: none is accepted, nothing crashes, memory stays flat."""

import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText, merge_updates

from apps.notebooks import messages, mirrors
from apps.notebooks.models import SCHEMA_VERSION, DocUpdate, Notebook
from apps.organizations.models import Role
from apps.realtime.database import close_threads
from tests import factories
from tests.notebooks.browsers import Closed, Socket, joined, session_of, update_frame

pytestmark = pytest.mark.django_db(transaction=True)
FRAMES = 10_000
GROWTH_MB = 40


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    yield
    close_threads()
    mirrors.forget_all()


def samples() -> list[bytes]:
    """Return updates of every kind of content."""
    doc: Doc = Doc(client_id=77)
    content = doc.get("document", type=XmlFragment)
    content.children.append(XmlElement("paragraph", {"a": "b"}, [XmlText("hello")]))
    content.children[0].children[0].format(0, 3, {"bold": True})
    doc.get("map", type=Map)["key"] = {"list": [1, 2.5, None, "s"]}
    doc.get("array", type=Array).extend([1, "two", 3.0])
    doc.get("map", type=Map)["text"] = Text("inside")
    del doc.get("array", type=Array)[1]
    return [bytes(doc.get_update())]


def broken(update: bytes, chance: random.Random) -> bytes:
    """Return the update with some bytes changed, cut or put in, that decodes no more."""
    while True:
        damaged = bytearray(update)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(damaged)) if damaged else 0
            kind = chance.random()
            if kind < 0.4 and damaged:
                damaged[at] = chance.randrange(256)
            elif kind < 0.6:
                del damaged[at : at + chance.randint(1, 5)]
            elif kind < 0.8:
                damaged[at:at] = chance.randbytes(chance.randint(1, 5))
            else:
                damaged[at:at] = b"\xff" * chance.randint(1, 9) + b"\x7f"
        if not decodes(bytes(damaged)):
            return bytes(damaged)


def decodes(update: bytes) -> bool:
    try:
        merge_updates(update)
    except ValueError:
        return False
    return True


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def code_at_the_end(socket: Socket) -> int:
    try:
        while True:
            await socket.receive()
    except Closed as closed:
        return closed.code


async def test_no_malformed_update_is_accepted(company: factories.Company) -> None:
    notebook: Notebook = await sync_to_async(factories.notebook)(company.launches)
    chance = random.Random(1)
    good = samples()
    socket, _welcome, _sync = await joined(notebook.pk, notebook.owner)
    refused = 0
    start = 0.0
    for batch in range(FRAMES // 100):
        if batch == 10:  # after everything has been loaded once
            start = memory_mb()
        for number in range(100):
            kind = chance.random()
            payload = chance.randbytes(chance.randint(0, 60)) if kind < 0.1 else b"\x00"
            if kind >= 0.1 or decodes(payload):
                payload = broken(chance.choice(good), chance)
            await socket.send(update_frame(number, payload))
        for _ in range(100):
            answer = await socket.receive(within_s=30)
            assert (answer["type"], answer["reason"]) == ("refused", "invalid")
            refused += 1
    assert refused == FRAMES
    assert await DocUpdate.objects.filter(document=notebook.pk).acount() == 1
    assert memory_mb() - start < GROWTH_MB
    await socket.close()


async def test_no_malformed_frame_of_a_reader_crashes_the_server(
    company: factories.Company,
) -> None:
    notebook: Notebook = await sync_to_async(factories.notebook)(company.launches)
    reader = await sync_to_async(factories.member)(company.launches, Role.VIEWER)
    session = await sync_to_async(session_of)(reader)
    chance = random.Random(2)
    for _ in range(300):
        socket = Socket(notebook.pk, session)
        await socket.open()
        if chance.random() < 0.5:
            await socket.send({"type": "hello", "schema": SCHEMA_VERSION, "client": 5, "seq": 0})
            await socket.receive_kind(messages.SYNC)
        frame = bytes([chance.choice([0, 1, 2, 5, 200])]) + chance.randbytes(chance.randint(0, 50))
        await socket.send(frame if chance.random() < 0.7 else chance.randbytes(40).hex())
        assert await code_at_the_end(socket) == 4400
    assert await DocUpdate.objects.filter(document=notebook.pk).acount() == 1
