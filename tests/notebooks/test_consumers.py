"""The socket of a notebook, from the browser's side."""

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from pycrdt import Doc, Text

from apps.notebooks import mirrors
from apps.notebooks.models import DocUpdate, Notebook
from apps.realtime.database import close_threads
from tests import factories
from tests.notebooks.browsers import joined, read_updates, update_frame

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    """Give the database back before the test's tables are emptied."""
    yield
    close_threads()
    mirrors.forget_all()


@pytest.fixture
def notebook(company: factories.Company) -> Notebook:
    return factories.notebook(company.launches)


def typed(text: str, client: int = 7) -> bytes:
    """Return the update of somebody who typed the text into an empty document."""
    doc: Doc = Doc(client_id=client)
    words = doc.get("test", type=Text)
    words += text
    return bytes(doc.get_update())


def text_of(*updates: bytes) -> str:
    doc: Doc = Doc()
    for update in updates:
        doc.apply_update(update)
    return str(doc.get("test", type=Text))


def rows_of(notebook: Notebook) -> Any:
    return sync_to_async(lambda: DocUpdate.objects.filter(document=notebook.pk).count())()


async def test_a_joiner_is_answered_with_the_document_and_nobody_else(notebook: Notebook) -> None:
    first, welcome, sync = await joined(notebook.pk, notebook.owner)
    assert welcome["seq"] == 1
    assert welcome["level"] == 60
    assert read_updates(sync)[0] == 1
    assert len(read_updates(sync)[2]) == 1
    second, _welcome, _sync = await joined(notebook.pk, notebook.owner, client=2)
    assert await first.is_silent()
    await first.close()
    await second.close()


async def test_an_update_is_stored_acknowledged_and_relayed_without_echo(
    notebook: Notebook,
) -> None:
    ann, _w, _s = await joined(notebook.pk, notebook.owner)
    ben, _w, _s = await joined(notebook.pk, notebook.owner, client=2)
    await ann.send(update_frame(1, typed("hello")))
    assert await ann.receive() == {"type": "ack", "ids": [1], "first": 2, "last": 2}
    first, last, updates = read_updates(await ben.receive())
    assert (first, last) == (2, 2)
    assert text_of(*updates) == "hello"
    assert await ann.is_silent()
    assert await rows_of(notebook) == 2
    await ann.close()
    await ben.close()
