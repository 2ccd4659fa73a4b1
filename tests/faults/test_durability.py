"""Servers die while people type: whatever was acknowledged is there afterwards, once.

Victims are killed with -9, one after the other, and started again. A writer behaves as the page
does: it goes to whichever server answers and sends again what was not acknowledged.
"""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests import servers, visitors
from tests.servers import Child
from tests.visitors import Writer

PLAN = "Finch One: launch plan"  # both editors of the demo may write here
BACK_WITHIN_S = 60


async def kill_while_typing(
    writers: Sequence[Writer], victims: Sequence[Child], *, kills: int, seed: int
) -> Counter[str]:
    """Kill and restart random victims; return how often each was hit."""
    enough = asyncio.Event()
    typing = [asyncio.create_task(writer.write_until(enough)) for writer in writers]
    chance = random.Random(seed)
    hit: Counter[str] = Counter()
    for number in range(kills):
        # Each victim is hit once before chance decides.
        victim = victims[number] if number < len(victims) else chance.choice(victims)
        await asyncio.sleep(chance.uniform(0.3, 1.2))
        await asyncio.to_thread(victim.kill)
        hit[victim.log.stem] += 1
        await asyncio.sleep(chance.uniform(0, 0.3))
        await asyncio.to_thread(victim.start)
    await asyncio.sleep(0.5)
    enough.set()
    await asyncio.wait_for(asyncio.gather(*typing), BACK_WITHIN_S)
    return hit


async def assert_nothing_was_lost(writers: Sequence[Writer], readers: Sequence[Writer]) -> None:
    """Compare what servers tell newcomers with what was acknowledged."""
    acknowledged = set().union(*(writer.acknowledged for writer in writers))
    read = [re.findall(r"\[\w+-\d+\]", await reader.read()) for reader in readers]
    for tokens in read:
        assert len(tokens) == len(set(tokens)), "a token stands there twice"
        assert acknowledged - set(tokens) == set()
        assert tokens == read[0], "two newcomers read two documents"
    assert all(writer.refused == [] for writer in writers)
    assert len(acknowledged) >= 20 * len(writers), "hardly anything was typed"


def writers_on(urls: list[str], data_dir: Path, notebook: object, *, seed: int) -> list[Writer]:
    """Return two people in two browsers each, signed in."""
    accounts = visitors.demo_accounts(data_dir)
    cookies = {name: visitors.sign_in(urls[0], accounts[name]) for name in ("mara", "tomas")}
    return [
        Writer(
            name=f"{name}{tab}", urls=urls, notebook=notebook, cookie=cookie, seed=seed + 10 * tab
        )
        for tab in (1, 2)
        for name, cookie in cookies.items()
    ]


def newcomers(writers: Sequence[Writer]) -> list[Writer]:
    """Return one reader for each server address, with nothing in its copy."""
    known = writers[0]
    return [
        Writer(name="reader", urls=[url], notebook=known.notebook, cookie=known.cookie, seed=0)
        for url in known.urls
    ]


@pytest.fixture(scope="module")
def production() -> Iterator[servers.Production]:
    with servers.production(webs=2, worker=True) as made:
        made.manage("seed_demo")
        yield made


async def storm_over(production: servers.Production, *, kills: int, seed: int) -> None:
    notebook = visitors.notebook_of_production(production, PLAN)
    urls = [web.url for web in production.webs]
    writers = writers_on(urls, production.folder / "data", notebook, seed=seed)
    victims = [
        production.webs[0],
        production.postgres,
        production.redis,
        production.webs[1],
        production.work["worker"],
        production.work["inference"],
    ]
    hit = await kill_while_typing(writers, victims, kills=kills, seed=seed)
    assert sum(hit.values()) == kills
    await assert_nothing_was_lost(writers, newcomers(writers))


@pytest.mark.timeout(180)
async def test_production_keeps_what_it_acknowledged(production: servers.Production) -> None:
    await storm_over(production, kills=6, seed=1)


@pytest.mark.prove
@pytest.mark.timeout(1800)
async def test_production_keeps_what_it_acknowledged_through_fifty_kills(
    production: servers.Production,
) -> None:
    await storm_over(production, kills=50, seed=2)


@pytest.fixture(scope="module")
def embedded() -> Iterator[servers.Web]:
    with servers.temporary_folder() as folder:
        web = servers.embedded(folder / "data")
        web.start()
        yield web
        web.kill()


async def storm_over_one(web: servers.Web, *, kills: int, seed: int) -> None:
    data = Path(web.env["DATA_DIR"])
    notebook = visitors.notebooks_by_title(data)[PLAN]
    writers = writers_on([web.url], data, notebook, seed=seed)
    await kill_while_typing(writers, [web], kills=kills, seed=seed)
    await assert_nothing_was_lost(writers, newcomers(writers))


@pytest.mark.timeout(180)
async def test_one_process_keeps_what_it_acknowledged(embedded: servers.Web) -> None:
    await storm_over_one(embedded, kills=3, seed=3)


@pytest.mark.prove
@pytest.mark.timeout(1800)
async def test_one_process_keeps_what_it_acknowledged_through_fifty_kills(
    embedded: servers.Web,
) -> None:
    await storm_over_one(embedded, kills=50, seed=4)


async def test_a_server_is_back_within_seconds_of_its_death(embedded: servers.Web) -> None:
    embedded.kill()
    begun = time.monotonic()

    await asyncio.to_thread(embedded.start)

    assert time.monotonic() - begun < 30
