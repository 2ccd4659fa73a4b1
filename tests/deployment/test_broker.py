"""Redis may die under whoever works for it: the worker connects anew and goes on."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue
from kombu.common import ignore_errors

from inferencecloud.broker import Transport
from inferencecloud.celery import app
from tests import servers

QUEUE = Queue("work", exchange=Exchange("work"), routing_key="work")


@pytest.fixture
def redis() -> Iterator[servers.Redis]:
    with servers.temporary_folder() as folder:
        made = servers.Redis(folder)
        made.start()
        yield made
        made.kill()


def worker_at_work(redis: servers.Redis) -> tuple[Connection, Any]:
    """Return a connection as a worker has it, and a message that is not acknowledged yet."""
    connection = Connection(redis.url())
    connection.Producer().publish({}, declare=[QUEUE], exchange="work", routing_key="work")
    taken: list[Any] = []
    connection.Consumer([QUEUE], callbacks=[lambda _body, one: taken.append(one)]).consume()
    for _ in range(2):  # commands to the worker come by channels of their own
        other = connection.channel()
        connection.Consumer([Queue(exclusive=True)], channel=other).consume()
    while not taken:
        connection.drain_events(timeout=10)
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.1)
    return connection, taken[0]


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_the_schemes_are_ours(scheme: str) -> None:
    assert app.connection().transport_cls  # importing the application has set the schemes
    assert isinstance(Connection(f"{scheme}://localhost").transport, Transport)


def give_up(connection: Connection) -> None:
    """Do what celery does when a connection is lost."""
    with suppress(Exception):
        connection.collect()
    ignore_errors(connection, connection.close)


def test_a_worker_gives_up_a_dead_connection_while_a_task_is_under_way(
    redis: servers.Redis,
) -> None:
    connection, _message = worker_at_work(redis)
    redis.kill()
    give_up(connection)
    assert not connection.connected


def test_a_task_that_ends_after_its_connection_says_so_and_breaks_nothing(
    redis: servers.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    connection, message = worker_at_work(redis)
    errors = connection.connection_errors
    redis.kill()
    give_up(connection)
    message.ack_log_error(logging.getLogger("worker"), errors)
    assert "Couldn't ack" in caplog.text
