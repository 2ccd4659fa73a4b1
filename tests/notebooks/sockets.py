"""What tests of a notebook's socket share: a room of people, typed updates, what a socket says."""

from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from pycrdt import Doc, Text

from apps.accounts.models import User
from apps.notebooks import messages
from apps.notebooks.messages import Caret
from apps.notebooks.models import SCHEMA_VERSION, DocUpdate, Notebook
from tests.notebooks.browsers import Closed, Socket, session_of


@dataclass
class Room:
    """A notebook with somebody for each thing that a person may do."""

    notebook: Notebook
    owner: User
    editor: User
    viewer: User
    stranger: User


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
