"""People who write at once, over lines that delay, repeat, reorder and break, lose nothing.

Most of them sit at real pages (pages.py), where they also undo, redo and reload; the others are clients
of another make (typists.py). In the end every copy says what the sum of all that was written says, and
every token is accounted for: as often as it was written or brought back, less what was deleted.

The slice here runs on whatever database and channel layer the settings name; test_fuzz_production.py
runs it on PostgreSQL and Redis. `make prove` runs 200 seeds of 400 operations on each.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from pycrdt import Doc, XmlFragment

from apps.notebooks import crdt, execution, history, mirrors
from apps.notebooks.models import Document, DocUpdate, Notebook
from apps.organizations.models import Role
from apps.realtime.database import close_threads, in_database
from tests import factories
from tests.notebooks.browsers import session_of
from tests.notebooks.pages import Page, Pages, encoded
from tests.notebooks.typists import TOKEN, Typist

pytestmark = pytest.mark.django_db(transaction=True)
SLICE = [(1, 2, 3), (4, 5, 6)]
SLICE_ACTS = 150
PROOF_SEEDS = range(1000, 1000 + int(os.environ.get("FUZZ_SEEDS", "200")))
PROOF = [PROOF_SEEDS[at : at + 5] for at in range(0, len(PROOF_SEEDS), 5)]
PROOF_ACTS = 400
AGREE_WITHIN_S = 60.0


@pytest.fixture(autouse=True)
def rows_are_merged_early_and_threads_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(execution, "KEEP_ROWS", 5)
    yield
    close_threads()
    mirrors.forget_all()


@dataclass
class Group:
    """The people of one notebook."""

    seed: int
    process: Pages
    notebook: Notebook
    pages: list[Page] = field(default_factory=list)
    typists: list[Typist] = field(default_factory=list)
    begun_with: bytes = b""

    @cached_property
    def people(self) -> list[Typist | Page]:
        return [*self.pages, *self.typists]

    @property
    def written(self) -> set[str]:
        return set().union(*(one.written for one in self.people))

    async def account(self) -> dict[str, Any]:
        """Return what the document must say by all that was written."""
        updates = [self.begun_with, *(update for one in self.typists for update in one.updates)]
        names = [page.name for page in self.pages]
        written = [encoded(update) for update in updates]
        return await self.process.ask("judge", written=written, by=names)

    async def reading(self, state: bytes) -> str:
        """Return what a newcomer's page would show of a state."""
        return str((await self.process.ask("read", state=encoded(state)))["reading"])


@sync_to_async
def prepare(count: int) -> tuple[Notebook, list[str]]:
    company = factories.company()
    people = [factories.member(company.launches, Role.EDITOR) for _ in range(count)]
    notebook = factories.notebook(company.launches, by=people[0], text="An opening line.")
    return notebook, [session_of(person) for person in people]


@sync_to_async
def stored(notebook: Notebook) -> bytes:
    return crdt.merge(history.read(Document.objects.get(pk=notebook.pk)).updates)


async def gather(seed: int, process: Pages, chance: random.Random) -> Group:
    """Return 3 to 8 people, at most two of them without a page."""
    count = chance.randint(3, 8)
    strangers = chance.randint(0, 2)
    notebook, sessions = await prepare(count)
    group = Group(seed, process, notebook, begun_with=await stored(notebook))
    for number, session in enumerate(sessions):
        if number < strangers:
            typist = Typist(number, notebook_id=notebook.pk, session=session, seed=seed)
            group.typists.append(typist)
        else:
            group.pages.append(Page(number, process, notebook.pk, session, seed))
    return group


async def write_together(group: Group, *, acts: int, chance: random.Random) -> None:
    """Let everybody act, lose the line and come back."""

    async def one(person: Typist | Page) -> None:
        for _ in range(acts // len(group.people)):
            if person.is_connected and chance.random() < 0.03:
                await person.disconnect()
            elif not person.is_connected and chance.random() < 0.3:
                await person.connect()
            await person.act()
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01]))

    await asyncio.gather(*map(one, group.people))


async def come_to_rest(group: Group) -> None:
    """Bring everybody back on line and wait until nobody lacks anything."""
    for page in group.pages:
        if not page.is_connected:
            await page.connect()
    while not (await pages_are_done(group) and await typists_are_done(group)):
        await asyncio.sleep(0.05)


async def pages_are_done(group: Group) -> bool:
    looks = [await page.look() for page in group.pages]
    if {look["kind"] for look in looks} != {"saved"}:
        return False
    return {look["reading"] for look in looks} == {
        await group.reading(await stored(group.notebook))
    }


async def typists_are_done(group: Group) -> bool:
    last = (await Document.objects.aget(pk=group.notebook.pk)).last_seq
    for typist in group.typists:
        if not typist.is_connected:
            await typist.connect()
        await typist.flush()
        if typist.seen.has_hole:
            await typist.ask_again()
    return all(typist.is_done and typist.seen.upto == last for typist in group.typists)


async def compact_now_and_then(notebook: Notebook, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(0.2)
        await in_database(execution.compact, notebook.pk)


def server_reading(state: bytes) -> str:
    doc: Doc = Doc()
    doc.apply_update(state)
    return str(doc.get("document", type=XmlFragment))


async def hold_to_account(group: Group) -> int:
    """Compare every copy with the sum of what was written; return how many tokens undo brought back."""
    account = await group.account()
    seed, state = group.seed, await stored(group.notebook)
    assert len(account["sums"]) == 1, f"seed {seed}: the sum depends on the order"
    expected = account["sums"][0]
    for name, copy in await copies(group, state):
        assert copy == expected, f"seed {seed}: {name} reads differently"
    assert server_reading(state) == account["text"], f"seed {seed}: the server reads differently"
    counted = Counter(TOKEN.findall(account["text"]))
    assert set(account["tokens"]) == group.written, f"seed {seed}: not all was heard of"
    assert counted == +Counter(account["tokens"]), f"seed {seed}: lost or twice"
    assert [typist.refusals for typist in group.typists if typist.refusals] == []
    assert counted, f"seed {seed}: nothing was left to look at"
    return int(account["broughtBack"])


async def copies(group: Group, state: bytes) -> list[tuple[str, str]]:
    """Return the reading of every copy, with its name."""
    pages = [(page.name, (await page.look())["reading"]) for page in group.pages]
    typists = [
        (f"typist {typist.number}", await group.reading(typist.doc.get_update()))
        for typist in group.typists
    ]
    return [*pages, *typists, ("a newcomer", await group.reading(state))]


async def play(seed: int, process: Pages, acts: int) -> int:
    """Run one seed; return how many tokens undo brought back."""
    chance = random.Random(seed)
    group = await gather(seed, process, chance)
    stop = asyncio.Event()
    compacting = asyncio.create_task(compact_now_and_then(group.notebook, stop))
    for person in group.people:
        await person.connect()
    await write_together(group, acts=acts, chance=chance)
    async with asyncio.timeout(AGREE_WITHIN_S):
        await come_to_rest(group)
    stop.set()
    await compacting
    brought_back = await hold_to_account(group)
    for typist in group.typists:
        await typist.disconnect()
    for page in group.pages:
        await page.close()
    return brought_back


async def play_side_by_side(seeds: Iterator[int] | range | tuple[int, ...], acts: int) -> None:
    async with Pages() as process:
        brought_back = await asyncio.gather(*[play(seed, process, acts) for seed in seeds])
    assert sum(brought_back) > 0, "undo brought nothing back"
    assert await DocUpdate.objects.acount() > 0


@pytest.mark.parametrize("seeds", SLICE)
async def test_nobody_loses_a_word(seeds: tuple[int, ...]) -> None:
    await play_side_by_side(seeds, SLICE_ACTS)


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seeds", PROOF, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
async def test_nobody_loses_a_word_in_a_long_run(seeds: range) -> None:
    await play_side_by_side(seeds, PROOF_ACTS)
