"""Health of a web process in production, while what it needs is dead, or hangs."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests import servers
from tests.servers import Child, Production, Web, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(300)]

WITHIN_S = 2.0
MARGIN_S = (
    1.0  # of a machine that is busy with others: it is the wait that is held to, not the load
)
DRAIN_S = 4.0


@pytest.fixture(scope="module")
def production() -> Iterator[Production]:
    with servers.production(webs=1, DRAIN_SECONDS=str(DRAIN_S), METRICS_TOKEN="a-token") as made:
        wait_until(lambda: ask(made.webs[0])[0] == 200, "it is ready")
        yield made


def ask(web: Web) -> tuple[int, dict[str, bool], float]:
    began = time.monotonic()
    answer = httpx.get(f"{web.url}/health/ready/", timeout=10)
    return answer.status_code, answer.json(), time.monotonic() - began


def family(pid: int) -> list[int]:
    """Return the process and its children: PostgreSQL answers from them."""
    found = [pid]
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            after = entry.read_text().rpartition(")")[2].split()
            if int(after[1]) == pid:
                found.append(int(entry.parent.name))
    return found


@contextmanager
def hanging(child: Child) -> Iterator[None]:
    """Have it neither answer nor fail, as behind a cable that was pulled."""
    stopped = family(child.pid)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def dead(child: Child) -> Iterator[None]:
    child.kill()
    try:
        yield
    finally:
        child.start()


AILING = [
    ("postgres", {"database"}),
    ("redis", {"broker", "channels"}),
    ("cache", {"cache"}),
]


@pytest.mark.parametrize("how", [dead, hanging], ids=["dead", "hanging"])
@pytest.mark.parametrize(("name", "told"), AILING, ids=[name for name, _told in AILING])
def test_what_does_not_answer_is_told_within_two_seconds_and_forgotten_afterwards(
    production: Production, name: str, told: set[str], how: Callable[[Child], object]
) -> None:
    web, child = production.webs[0], getattr(production, name)
    assert ask(web)[0] == 200
    with how(child):  # type: ignore[attr-defined]
        for _ in range(3):
            status, said, took = ask(web)
            assert status == 503
            assert {check for check, is_well in said.items() if not is_well} == {"ready", *told}
            assert took < WITHIN_S + MARGIN_S
        assert httpx.get(f"{web.url}/health/live/", timeout=WITHIN_S + MARGIN_S).is_success
    wait_until(lambda: ask(web)[0] == 200, "it is ready again")


def test_figures_are_told_while_the_database_is_away(production: Production) -> None:
    web = production.webs[0]
    told = {"Authorization": "Bearer a-token"}
    assert "inferencecloud_database_up 1.0" in httpx.get(f"{web.url}/metrics", headers=told).text
    with dead(production.postgres):
        time.sleep(6)  # what was read before is kept for five
        said = httpx.get(f"{web.url}/metrics", headers=told, timeout=30).text
    assert "inferencecloud_database_up 0.0" in said
    assert "process_resident_memory_bytes" in said
    assert httpx.get(f"{web.url}/metrics").status_code == 404
    wait_until(lambda: ask(web)[0] == 200, "it is ready again")


def test_a_process_that_is_asked_to_end_says_so_and_goes_on_serving_for_a_while(
    production: Production,
) -> None:
    web = production.add_web()
    wait_until(lambda: ask(web)[0] == 200, "it is ready")
    assert web.process is not None
    began = time.monotonic()
    web.process.send_signal(signal.SIGTERM)
    wait_until(lambda: ask(web)[0] == 503, "it is not ready any more", within_s=3)
    assert ask(web)[1]["taking_requests"] is False
    assert httpx.get(f"{web.url}/accounts/login/", timeout=10).is_success
    web.process.wait(timeout=30)
    assert time.monotonic() - began >= DRAIN_S


def test_a_process_that_is_newer_than_its_database_is_not_ready(production: Production) -> None:
    production.manage("migrate", "learning", "0002", "--verbosity", "0")
    try:
        web = production.add_web()
        wait_until(lambda: not ask(web)[1]["migrations"], "it says what is missing", within_s=20)
        assert ask(web)[0] == 503
    finally:
        production.manage("migrate", "--verbosity", "0")
    wait_until(lambda: ask(web)[0] == 200, "it is ready once the database has it")
