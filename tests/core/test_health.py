"""The answers for load balancers."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.core.cache import caches
from django.db import DatabaseError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from redis import RedisError

from apps.core import health
from inferencecloud.draining import say_before_the_end
from tests.servers import free_port

WITHIN_S = 2.0
ANSWERS = {
    "database": True,
    "migrations": True,
    "cache": True,
    "broker": True,
    "channels": True,
    "taking_requests": True,
}


@pytest.fixture
def known(db: None) -> Iterator[None]:
    """Have everything asked once, so that a busy machine has the time for it."""
    for probe in health.PROBES:
        assert probe.begin().result(60), probe.name
    yield
    health.draining.clear()


@pytest.fixture
def silent() -> Iterator[str]:
    """Yield the address of something that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def ask(client: Client) -> tuple[int, dict[str, bool], float]:
    began = time.monotonic()
    answer = client.get("/health/ready/")
    return answer.status_code, answer.json(), time.monotonic() - began


def test_a_process_that_answers_is_live(client: Client) -> None:
    answer = client.get("/health/live/")

    assert answer.json() == {"live": True}


@pytest.mark.usefixtures("known")
def test_a_process_whose_servers_all_answer_is_ready(client: Client) -> None:
    status, said, _took = ask(client)

    assert status == 200
    assert said == {"ready": True, **ANSWERS}


@pytest.mark.parametrize("path", ["/health/live/", "/health/ready/"])
def test_health_is_only_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.usefixtures("known")
def test_no_cache_on_the_way_keeps_an_answer(client: Client) -> None:
    assert "no-store" in client.get("/health/ready/").headers["Cache-Control"]


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("refusal", [DatabaseError("no server"), ZeroDivisionError()])
def test_a_process_without_its_database_is_not_ready(client: Client, refusal: Exception) -> None:
    with patch.object(health.PROBES[0], "_ask", side_effect=refusal):
        status, said, _took = ask(client)

    assert status == 503
    assert said == {"ready": False, **ANSWERS, "database": False}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("refusal", [OSError("no route"), RedisError("no server")])
def test_a_process_without_its_cache_is_not_ready(client: Client, refusal: Exception) -> None:
    with patch.object(type(caches["default"]), "set", side_effect=refusal):
        status, said, _took = ask(client)

    assert status == 503
    assert said == {"ready": False, **ANSWERS, "cache": False}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("key", "name"), [("CELERY_BROKER_URL", "broker"), ("CHANNEL_REDIS_URL", "channels")]
)
def test_a_redis_that_is_dead_or_hangs_is_told_within_two_seconds(
    client: Client, settings: Any, silent: str, key: str, name: str
) -> None:
    for address in (f"redis://127.0.0.1:{free_port()}/0", silent):
        setattr(settings, key, address)
        status, said, took = ask(client)

        assert status == 503
        assert said == {"ready": False, **ANSWERS, name: False}
        assert took < WITHIN_S


@pytest.mark.usefixtures("known")
def test_a_broker_of_another_kind_is_asked_too(client: Client, settings: Any) -> None:
    settings.CELERY_BROKER_URL = f"amqp://127.0.0.1:{free_port()}//"
    with patch("apps.core.health.current_app.connection_for_write", side_effect=OSError("no")):
        _status, said, _took = ask(client)

    assert said["broker"] is False


@pytest.mark.usefixtures("known")
def test_a_question_that_is_never_answered_keeps_one_thread_and_not_one_for_each_who_asks(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    hanging = health.Probe("hanging", lambda: answer.wait(60))
    monkeypatch.setattr(health, "PROBES", [*health.PROBES, hanging])
    for _ in range(2):
        status, said, took = ask(client)
        assert (status, said["hanging"]) == (503, False)
        assert took < WITHIN_S
    waiting = [one for one in threading.enumerate() if one.name == "health-hanging"]
    assert len(waiting) == 1

    answer.set()
    waiting[0].join(5)

    assert ask(client)[0] == 200


@pytest.mark.usefixtures("known")
def test_a_database_that_lacks_a_migration_is_not_ready_until_it_has_it(client: Client) -> None:
    health._refuse_missing_migrations.cache_clear()
    with patch.object(MigrationRecorder, "applied_migrations", return_value={}):
        assert not health.PROBES[1].begin().result(60)
        status, said, _took = ask(client)
    assert status == 503
    assert said["migrations"] is False

    assert health.PROBES[1].begin().result(60)
    assert ask(client)[0] == 200


@pytest.mark.usefixtures("known")
def test_a_process_that_was_asked_to_end_is_not_ready(client: Client) -> None:
    health.draining.set()

    status, said, _took = ask(client)

    assert status == 503
    assert said == {"ready": False, **ANSWERS, "taking_requests": False}


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Yield when the server's own handler was called."""
    moments: list[float] = []
    before = signal.signal(signal.SIGTERM, lambda *_: moments.append(time.monotonic()))
    yield moments
    signal.signal(signal.SIGTERM, before)
    health.draining.clear()


def until(true: Callable[[], Any]) -> Any:
    async def wait() -> None:
        async with asyncio.timeout(5):
            while not true():
                await asyncio.sleep(0.01)

    return wait()


async def test_the_end_waits_until_others_have_heard_of_it(ended: list[float]) -> None:
    say_before_the_end(0.3)
    began = time.monotonic()
    os.kill(os.getpid(), signal.SIGTERM)

    await until(health.draining.is_set)
    assert not ended
    await until(lambda: ended)
    assert ended[0] - began >= 0.3


async def test_a_second_signal_ends_without_waiting(ended: list[float]) -> None:
    say_before_the_end(60)
    os.kill(os.getpid(), signal.SIGTERM)
    await until(health.draining.is_set)
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: ended)


async def test_without_a_wait_the_end_comes_at_once(ended: list[float]) -> None:
    say_before_the_end(0)
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: ended)
    assert health.draining.is_set()


async def test_where_nobody_hears_signals_nothing_is_changed(ended: list[float]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    await asyncio.to_thread(asyncio.run, _say())
    assert signal.getsignal(signal.SIGTERM) is before
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    say_before_the_end(1)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def _say() -> None:
    say_before_the_end(1)
