"""Workers die at the worst moments; Redis forgets everything. One output per step, and every run ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client

from apps.inference.faults import POINTS
from tests import servers
from tests.faults.arming import Armed
from tests.faults.nursery import Forked, Nursery

SETTINGS = "tests.faults.settings"
END_S = 40.0  # for a run that is interrupted once; the lease in these tests is 1.5 s


class Driver:
    """Starts and watches runs in a process of its own, with the servers' settings."""

    def __init__(self, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.driver"],
            cwd=servers.ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **arguments: Any) -> Any:
        """Send a command and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def wait_for_end(self, run: str) -> dict[str, Any]:
        """Return the state once the run is over and everyone was told."""
        deadline = time.monotonic() + END_S
        while True:
            state: dict[str, Any] = self.ask("state", run=run)
            is_told = state["end_told"] and not state["undelivered"]
            if state["status"] not in {"queued", "running"} and is_told:
                return state
            assert time.monotonic() < deadline, f"the run does not end: {state}"
            time.sleep(0.02)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


class Keeper(threading.Thread):
    """Starts a process again whenever it has died, as a service manager does."""

    def __init__(self, child: Forked) -> None:
        super().__init__(daemon=True)
        self.child = child
        self.deaths = 0
        self._ended = threading.Event()
        child.start()

    def run(self) -> None:
        while not self._ended.wait(0.02):
            if not self.child.is_running:
                self.deaths += 1
                self.child.start()

    def end(self) -> None:
        self._ended.set()
        self.join(5)
        self.child.kill()


class Place:
    """Servers with runs on them."""

    def __init__(self, driver: Driver, armed: Armed, keepers: list[Keeper]) -> None:
        self.driver, self.armed, self.keepers = driver, armed, keepers
        self._number = 0
        self.expected = self.write()["texts"]

    def begin(self) -> str:
        self._number += 1
        return str(self.driver.ask("begin", number=self._number))

    def write(self) -> dict[str, Any]:
        return self.driver.wait_for_end(self.begin())

    def write_with_death(self, point: str, *, skip: int = 0) -> None:
        """Let a worker die at the point, and check everything once the run has ended."""
        self.armed.arm(point, skip=skip)
        run = self.begin()
        servers.wait_until(lambda: self.armed.has_struck, f"a death {point}", END_S)
        self.check(self.driver.wait_for_end(run))

    def end_in_peace(self, keeper: Keeper) -> None:
        """Ask the process to end in the middle of a run: it gives the steps back at once."""
        self._number += 1
        run = str(self.driver.ask("begin_long", number=self._number))
        servers.wait_until(lambda: bool(self.driver.ask("state", run=run)["texts"]), "words")
        held_by = keeper.child.pid
        keeper.child.signal(signal.SIGTERM)
        servers.wait_until(lambda: keeper.child.pid != held_by, "its end", 15)
        state = self.driver.ask("state", run=run)
        assert {deaths for _status, _attempt, deaths, _error in state["steps"]} == {0}
        state = self.driver.wait_for_end(run)
        assert state["status"] == "succeeded"
        assert len(state["texts"]) == 60
        assert {deaths for _status, _attempt, deaths, _error in state["steps"]} == {0}

    def check(self, state: dict[str, Any]) -> None:
        assert state["status"] == "succeeded", state
        assert state["texts"] == self.expected
        assert state["held"] == 0
        assert state["untold"] == []


@contextmanager
def production() -> Iterator[tuple[Place, servers.Redis]]:
    """Yield workers on PostgreSQL and Redis of our own."""
    with servers.temporary_folder() as folder, servers.postgres_and_redis() as (postgres, redis):
        (folder / "data").mkdir()
        env = servers.environment(
            folder / "data",
            DJANGO_SETTINGS_MODULE=SETTINGS,
            SECRET_KEY="for-the-servers-of-one-test-0123456789-abcdefghijklm",
            DATABASE_URL=postgres.url,
            REDIS_URL=redis.url(0),
            CHANNEL_REDIS_URL=redis.url(1),
            CACHE_REDIS_URL=redis.url(2),
            CELERY_SKIP_CHECKS="1",  # they take longer than all else in a worker's start
            LOG_LEVEL="ERROR",
        )
        migrate(env)
        nursery = Nursery(env)
        driver = Driver(env)
        driver.ask("prepare")
        keepers = [Keeper(worker(nursery, folder, number)) for number in range(2)]
        schedule = beat(nursery, folder)
        schedule.start()
        for keeper in keepers:
            keeper.start()
        try:
            yield Place(driver, Armed(folder / "data" / "armed"), keepers), redis
        finally:
            for keeper in keepers:
                keeper.end()
            schedule.kill()
            driver.close()
            nursery.close()


def migrate(env: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=servers.ROOT, env=env, check=True)


def worker(nursery: Nursery, folder: Path, number: int) -> Forked:
    celery = [sys.executable, "-m", "celery", "-A", "inferencecloud", "worker"]
    flags = ["--pool", "threads", "--concurrency", "3", "--loglevel", "warning"]
    name = ["--hostname", f"w{number}@here"]
    return Forked(nursery, [*celery, *flags, *name], log=folder / f"worker{number}.log")


def beat(nursery: Nursery, folder: Path) -> Forked:
    """Return the schedule, a process of its own as in production: inside a worker it outlives it."""
    celery = [sys.executable, "-m", "celery", "-A", "inferencecloud", "beat"]
    flags = ["--schedule", str(folder / "schedule"), "--loglevel", "warning"]
    return Forked(nursery, [*celery, *flags], log=folder / "beat.log")


@contextmanager
def embedded() -> Iterator[Place]:
    """Yield the single process on SQLite."""
    with servers.temporary_folder() as folder:
        data = folder / "data"
        web = servers.embedded(data, DJANGO_SETTINGS_MODULE=SETTINGS, DEMO="false")
        assert web.env is not None
        migrate(web.env)
        nursery = Nursery(web.env)
        driver = Driver(web.env)
        driver.ask("prepare")
        keeper = Keeper(Forked(nursery, web.command, log=web.log))
        keeper.start()
        try:
            yield Place(driver, Armed(data / "armed"), [keeper])
        finally:
            keeper.end()
            driver.close()
            nursery.close()


SOME = ("after_claim", "after_checkpoint", "inside_commit", "before_delivery")


def test_there_are_twelve_points_to_die_at() -> None:
    assert len(set(POINTS)) == 12
    assert set(SOME) < set(POINTS)


@pytest.mark.timeout(300)
def test_a_worker_may_die_at_the_worst_moments_and_redis_may_forget() -> None:
    with production() as (place, redis):
        for point in SOME:
            place.write_with_death(point)
        forgetful(place, redis)


def forgetful(place: Place, redis: servers.Redis) -> None:
    """Flush Redis again and again while runs go on."""
    runs = [place.begin() for _ in range(4)]
    with redis_client.Redis(port=redis.port) as client:
        for _ in range(5):
            client.flushall()
            time.sleep(0.1)
    for run in runs:
        place.check(place.driver.wait_for_end(run))


@pytest.mark.timeout(300)
def test_the_single_process_may_die_or_end_in_peace() -> None:
    with embedded() as place:
        place.write_with_death("after_first_token")
        place.end_in_peace(place.keepers[0])


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_a_hundred_deaths_at_each_point() -> None:
    with production() as (place, redis):
        for number in range(int(os.environ.get("PROVE_DEATHS", "100"))):
            for point in POINTS:
                place.write_with_death(point, skip=number % 2 if "commit" in point else 0)
            forgetful(place, redis)


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_a_hundred_deaths_of_the_single_process_at_each_point() -> None:
    with embedded() as place:
        for _ in range(int(os.environ.get("PROVE_DEATHS", "100"))):
            for point in POINTS:
                place.write_with_death(point)
