"""Whether this process can serve: each thing that it needs is asked on a thread of its own.

A server that hangs neither answers nor fails. So nobody waits for one longer than PATIENCE_S, and while a
question is open, the same one is not asked again: a probe every few seconds leaves one thread behind.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillBusy
from functools import cache as once
from pathlib import Path
from urllib.parse import urlsplit

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

PATIENCE_S = 1.5  # for all questions together: who asks gets a word within two seconds
CONNECT_S = 1.0

logger = logging.getLogger(__name__)
draining = threading.Event()  # set once the process was asked to end


class Probe:
    """A question that may never be answered; open once at a time."""

    def __init__(self, name: str, ask: Callable[[], bool]) -> None:
        self.name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._open: Future[bool] | None = None

    def begin(self) -> "Future[bool]":
        """Return the answer to come: of the question that is open, or of a new one."""
        with self._lock:
            if self._open is None or self._open.done():
                self._open = Future()
                thread = threading.Thread(
                    target=self._run, args=[self._open], name=f"health-{self.name}", daemon=True
                )
                thread.start()
            return self._open

    def _run(self, answer: "Future[bool]") -> None:
        try:
            answer.set_result(self._ask())
        except (DatabaseError, OSError, RedisError, OperationalError) as problem:
            logger.warning("%s does not answer: %s", self.name, problem)
            answer.set_result(False)
        except Exception:  # whatever it is, whoever waits is to hear that this does not work
            logger.exception("could not ask %s", self.name)
            answer.set_result(False)
        finally:
            connection.close()


def checks() -> dict[str, bool]:
    """Return what answers, and whether this process still takes work; after PATIENCE_S at the latest."""
    deadline = time.monotonic() + PATIENCE_S
    asked = {probe.name: probe.begin() for probe in PROBES}
    answers = {name: _answer(one, deadline) for name, one in asked.items()}
    return {**answers, "taking_requests": not draining.is_set()}


def _answer(asked: "Future[bool]", deadline: float) -> bool:
    try:
        return asked.result(timeout=max(0.0, deadline - time.monotonic()))
    except StillBusy:
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _migrations() -> bool:
    """Say whether the database has all that this version knows; it may know more than that."""
    try:
        _refuse_missing_migrations()
    except MigrationsMissing as missing:
        logger.warning("%s", missing)
        return False
    return True


class MigrationsMissing(Exception):
    """The database is older than the code."""


@once  # what was applied stays applied: only a refusal is asked again
def _refuse_missing_migrations() -> None:
    missing = sorted(_written() - set(MigrationRecorder(connection).applied_migrations()))
    if missing:
        message = f"{len(missing)} migrations are not applied, the first is {'.'.join(missing[0])}"
        raise MigrationsMissing(message)


def _written() -> set[tuple[str, str]]:
    """Return the migrations that lie beside the apps, without importing them: that takes a while."""
    return {
        (app.label, file.stem)
        for app in apps.get_app_configs()
        for file in Path(app.path, "migrations").glob("[!_]*.py")
    }


def _cache() -> bool:
    cache.set("health", 1, timeout=5)
    return bool(cache.get("health") == 1)


def _broker() -> bool:
    address = settings.CELERY_BROKER_URL
    if urlsplit(address).scheme in {"redis", "rediss"}:
        return _ping(address)
    with current_app.connection_for_write(connect_timeout=CONNECT_S) as broker:
        broker.connect()
    return True


def _channels() -> bool:
    return not settings.CHANNEL_REDIS_URL or _ping(settings.CHANNEL_REDIS_URL)


def _ping(address: str) -> bool:
    patience = {"socket_connect_timeout": CONNECT_S, "socket_timeout": CONNECT_S}
    with Redis.from_url(address, **patience) as client:
        return bool(client.ping())


PROBES = [
    Probe("database", _database),
    Probe("migrations", _migrations),
    Probe("cache", _cache),
    Probe("broker", _broker),
    Probe("channels", _channels),
]
