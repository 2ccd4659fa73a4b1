"""People who type at once, over lines that delay, repeat, reorder and break, lose nothing.

The slice here runs on whatever database and channel layer the settings name; test_fuzz_production.py
runs it on PostgreSQL and Redis. `make prove` runs 200 seeds of 400 operations.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from pycrdt import Doc, XmlFragment

from apps.notebooks import execution, history, mirrors
from apps.notebooks.models import Document, DocUpdate, Notebook
from apps.organizations.models import Role
from apps.realtime.database import close_threads
from tests import factories
from tests.notebooks.browsers import session_of
from tests.notebooks.typists import TOKEN, Ledger, Typist

pytestmark = pytest.mark.django_db(transaction=True)
SLICE = [(seed, 150) for seed in range(1, 7)]
PROOF = [(seed, 400) for seed in range(1000, int(os.environ.get("FUZZ_SEEDS", "200")) + 1000)]
AGREE_WITHIN_S = 60.0


@pytest.fixture(autouse=True)
def threads_end() -> Iterator[None]:
    yield
    close_threads()
    mirrors.forget_all()


@sync_to_async
def prepare(count: int) -> tuple[Notebook, list[str]]:
    company = factories.company()
    people = [factories.member(company.launches, Role.EDITOR) for _ in range(count)]
    notebook = factories.notebook(company.launches, by=people[0], text="An opening line.")
    return notebook, [session_of(person) for person in people]


async def write_together(typists: list[Typist], *, operations: int, chance: random.Random) -> None:
    """Let everybody act, lose the line and come back."""

    async def one(typist: Typist, acts: int) -> None:
        for _ in range(acts):
            if typist.is_connected and chance.random() < 0.03:
                await typist.disconnect()
            elif not typist.is_connected and chance.random() < 0.3:
                await typist.connect()
            await typist.act()
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01]))

    share = operations // len(typists)
    await asyncio.gather(*[one(typist, share) for typist in typists])


async def come_to_rest(typists: list[Typist], notebook: Notebook) -> None:
    """Bring everybody back on line and wait until nobody lacks anything."""
    async with asyncio.timeout(AGREE_WITHIN_S):
        while True:
            for typist in typists:
                if not typist.is_connected:
                    await typist.connect()
                await typist.flush()
            await asyncio.sleep(0.05)
            last = (await Document.objects.aget(pk=notebook.pk)).last_seq
            if all(one.is_done and one.seen.upto == last for one in typists):
                return
            for typist in typists:
                if typist.seen.has_hole:
                    await typist.ask_again()


async def compact_now_and_then(notebook: Notebook, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(0.2)
        await sync_to_async(execution.compact, thread_sensitive=False)(notebook.pk)


@sync_to_async
def stored(notebook: Notebook) -> Doc:
    doc: Doc = Doc()
    for update in history.read(Document.objects.get(pk=notebook.pk)).updates:
        doc.apply_update(update)
    return doc


def content_of(doc: Doc) -> str:
    return str(doc.get("document", type=XmlFragment))


async def play(seed: int, operations: int) -> None:
    """Run one seed and hold everybody to one document in which every token is accounted for."""
    chance = random.Random(seed)
    ledger = Ledger()
    notebook, sessions = await prepare(chance.randint(3, 8))
    typists = [
        Typist(number, notebook_id=notebook.pk, session=session, ledger=ledger, seed=seed)
        for number, session in enumerate(sessions)
    ]
    stop = asyncio.Event()
    compacting = asyncio.create_task(compact_now_and_then(notebook, stop))
    for typist in typists:
        await typist.connect()
    await write_together(typists, operations=operations, chance=chance)
    await come_to_rest(typists, notebook)
    stop.set()
    await compacting
    contents = {content_of(typist.doc) for typist in typists} | {content_of(await stored(notebook))}
    assert len(contents) == 1, f"seed {seed}: {len(contents)} different documents"
    counted = Counter(TOKEN.findall(contents.pop()))
    assert ledger.expected() - set(counted) == set(), f"seed {seed}: lost"
    assert set(counted) - ledger.expected() == set(), f"seed {seed}: came back"
    assert [token for token, times in counted.items() if times > 1] == [], f"seed {seed}: twice"
    assert [typist.refusals for typist in typists if typist.refusals] == []
    for typist in typists:
        await typist.disconnect()


@pytest.mark.parametrize(("seed", "operations"), SLICE)
async def test_nobody_loses_a_word(
    seed: int, operations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "KEEP_ROWS", 5)
    await play(seed, operations)
    assert await DocUpdate.objects.acount() > 0


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("seed", "operations"), PROOF)
async def test_nobody_loses_a_word_in_a_long_run(
    seed: int, operations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "KEEP_ROWS", 5)
    await play(seed, operations)
