"""Everything at once: people type, models write, cells settle, and any process may die at any moment.

Afterwards every acknowledged edit stands in the document once, every output and edit record that was
ever seen committed is there unchanged, each step has one output, and the ledger and the documents know
of every one.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from tests import servers, visitors
from tests.faults.test_durability import assert_nothing_was_lost, newcomers
from tests.faults.visit import Editor, Onlooker, Presser
from tests.servers import Child, Production, Redis
from tests.visitors import Writer

QUIET_WITHIN_S = 90
WRITTEN_WITHIN_S = 150
ROUNDS = 3  # at least, of everybody who presses Update
FIRST = ("postgres", "inference", "redis", "web0", "beat", "worker", "web1", "cache")


@dataclass(kw_only=True)
class People:
    """Everybody who is there."""

    writers: list[list[Writer]]  # by notebook
    pressers: list[Presser]
    onlooker: Onlooker


@pytest.fixture
def production() -> Iterator[Production]:
    with servers.production(
        webs=2, worker=True, DJANGO_SETTINGS_MODULE="tests.faults.lively", LOG_LEVEL="ERROR"
    ) as made:
        made.manage("seed_demo")
        yield made


def estate(production: Production, do: str, told: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.estate", do],
        cwd=servers.ROOT,
        env=production.env,
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def come(production: Production, *, seed: int, pause_s: float) -> People:
    """Let two people write in each notebook, one of them in a result, and a third press Update."""
    made = estate(production, "build", {})
    urls = [web.url for web in production.webs]
    accounts = visitors.demo_accounts(production.folder / "data")
    mara, tomas = (visitors.sign_in(urls[0], accounts[name]) for name in ("mara", "tomas"))
    writers: list[list[Writer]] = []
    for number, notebook in enumerate(made["notebooks"]):
        place: dict[str, Any] = {"urls": urls, "notebook": UUID(notebook), "pause_s": pause_s}
        at = seed + 10 * number
        writers.append(
            [
                Writer(name=f"mara{number}", cookie=mara, seed=at, **place),
                Editor(name=f"tomas{number}", cookie=tomas, seed=at + 1, **place),
            ]
        )
    pressers = [
        Presser(name=f"p{n}", urls=urls, notebook=notebook, cells=made["cells"], cookie=mara)
        for n, notebook in enumerate(made["notebooks"])
    ]
    return People(writers=writers, pressers=pressers, onlooker=Onlooker(production.postgres.url))


def victims_of(production: Production) -> dict[str, Child]:
    webs = {f"web{number}": web for number, web in enumerate(production.webs)}
    stores = {name: getattr(production, name) for name in ("postgres", "redis", "cache")}
    return {**webs, **production.work, **stores}


async def kill_at_random(victims: dict[str, Child], *, kills: int, seed: int) -> Counter[str]:
    """Kill one process after the other and start it again; Redis may lose its disk with it."""
    chance = random.Random(seed)
    hit: Counter[str] = Counter()
    for number in range(kills):
        name = FIRST[number] if number < len(FIRST) else chance.choice(FIRST)
        victim = victims[name]
        await asyncio.sleep(chance.uniform(0.5, 3))
        await asyncio.to_thread(victim.kill)
        if isinstance(victim, Redis) and chance.random() < 0.5:
            victim.forget()
            hit["forgotten"] += 1
        await asyncio.sleep(chance.uniform(0, 0.5))
        await asyncio.to_thread(victim.start)
        hit[name] += 1
    return hit


async def storm(production: Production, *, kills: int, seed: int, pause_s: float) -> None:
    people = come(production, seed=seed, pause_s=pause_s)
    enough = asyncio.Event()
    all_writers = [writer for some in people.writers for writer in some]
    people.onlooker.start()
    at_work = [
        asyncio.create_task(act)
        for act in (
            *(writer.write_until(enough) for writer in all_writers),
            *(presser.press_until(enough) for presser in people.pressers),
        )
    ]
    await asyncio.sleep(2)
    hit = await kill_at_random(victims_of(production), kills=kills, seed=seed)
    await asyncio.wait_for(wait_for_rounds(people.pressers), WRITTEN_WITHIN_S)
    enough.set()
    await asyncio.wait_for(asyncio.gather(*at_work), QUIET_WITHIN_S)
    await asyncio.to_thread(wait_for_quiet, production, people.onlooker)
    await assert_all_is_there(production, people, hit)


async def wait_for_rounds(pressers: list[Presser]) -> None:
    """Wait until enough was written for the judgement to mean something, however slow the machine is."""
    await asyncio.sleep(2)
    while min(len(one.runs) for one in pressers) < ROUNDS:
        await asyncio.sleep(0.2)


def wait_for_quiet(production: Production, onlooker: Onlooker) -> None:
    """Wait until nothing is left to do; fail with what is, or when a process has ended by itself."""

    def is_quiet() -> bool:
        assert_nobody_ended(production)
        return not onlooker.unfinished()

    try:
        servers.wait_until(is_quiet, "all work is done", within_s=QUIET_WITHIN_S)
    except AssertionError as late:
        rows = "\n".join(str(row) for row in onlooker.unfinished())
        raise AssertionError(f"{late}; still to do:\n{rows}") from late


def assert_nobody_ended(production: Production) -> None:
    """Whoever is not killed goes on: the death of one process ends no other."""
    victims = victims_of(production)
    ended = {name: one.words[-3000:] for name, one in victims.items() if not one.is_running}
    assert not ended, f"ended by themselves: {ended}"


async def assert_all_is_there(production: Production, people: People, hit: Counter[str]) -> None:
    for some in people.writers:
        await assert_nothing_was_lost(some, newcomers(some))
    assert people.onlooker.end() == set(), "something committed is gone"
    told = {
        "runs": {key: run for one in people.pressers for key, run in one.runs.items()},
        "releases": [release for one in people.pressers for release in one.releases],
    }
    judged = await asyncio.to_thread(estate, production, "judge", told)
    print(dict(hit), judged["count"], len(told["releases"]), "releases")
    assert {name: wrong for name, wrong in judged["wrong"].items() if wrong} == {}
    refused = [word for one in people.pressers for word in one.refused]
    assert [word for word in refused if "nothing to release" not in word] == []
    assert min(judged["count"][what] for what in ("outputs", "records", "edited")) > 0


@pytest.mark.timeout(420)
async def test_nothing_is_lost_when_anything_dies(production: Production) -> None:
    await storm(production, kills=6, seed=5, pause_s=0.15)


@pytest.mark.prove
@pytest.mark.timeout(7200)
async def test_nothing_is_lost_through_a_hundred_deaths(production: Production) -> None:
    kills = int(os.environ.get("PROVE_KILLS", "100"))
    await storm(production, kills=kills, seed=6, pause_s=0.4)
