"""Messages in memory: whoever waits for one is woken by it."""

import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from kombu import Connection, Consumer, Exchange, Queue

from inferencecloud.celery import app
from inferencecloud.embedded.transport import Transport

SOON_S = 0.5  # far below the second after which a reader looks anyway


@pytest.fixture
def connection() -> Iterator[Connection]:
    assert app.connection().transport_cls  # importing the application has set the scheme
    with Connection("memory://localhost") as made:
        yield made


@pytest.fixture
def queue() -> Queue:
    name = f"test-{uuid4()}"
    return Queue(name, exchange=Exchange(name), routing_key=name)


def send_later(connection: Connection, queue: Queue, *, after_s: float) -> threading.Timer:
    def send() -> None:
        with connection.clone() as other:
            other.Producer().publish(
                {"sent": time.monotonic()}, exchange=queue.exchange, routing_key=queue.routing_key
            )

    timer = threading.Timer(after_s, send)
    timer.start()
    return timer


def test_the_scheme_is_ours(connection: Connection) -> None:
    assert isinstance(connection.transport, Transport)


def test_a_message_wakes_who_waits(connection: Connection, queue: Queue) -> None:
    took: list[float] = []

    def take(body: dict[str, float], message: object) -> None:
        took.append(time.monotonic() - body["sent"])

    with Consumer(connection.default_channel, [queue], callbacks=[take], no_ack=True):
        for _ in range(5):
            timer = send_later(connection, queue, after_s=0.05)
            connection.drain_events(timeout=10)
            timer.join()
    assert len(took) == 5
    assert min(took) < 0.01


def test_who_waits_in_vain_is_told_and_used_no_time(connection: Connection, queue: Queue) -> None:
    with Consumer(connection.default_channel, [queue], callbacks=[print]):
        began, used = time.monotonic(), time.thread_time()
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.4)
        assert 0.4 <= time.monotonic() - began < 5
        assert time.thread_time() - used < 0.1


def test_what_one_finishes_lets_a_limited_reader_go_on(
    connection: Connection, queue: Queue
) -> None:
    taken: list[object] = []
    channel = connection.default_channel
    channel.basic_qos(0, 1, False)
    with Consumer(channel, [queue], callbacks=[lambda _body, message: taken.append(message)]):
        for timer in [send_later(connection, queue, after_s=0) for _ in range(2)]:
            timer.join()
        connection.drain_events(timeout=10)
        first = taken[0]
        threading.Timer(0.1, first.ack).start()  # type: ignore[attr-defined]
        began = time.monotonic()
        connection.drain_events(timeout=10)
        assert time.monotonic() - began < SOON_S
        taken[1].reject()  # type: ignore[attr-defined]


def test_a_reader_without_a_time_limit_is_woken_too(connection: Connection, queue: Queue) -> None:
    taken: list[object] = []
    with Consumer(connection.default_channel, [queue], callbacks=[lambda *_: taken.append(1)]):
        send_later(connection, queue, after_s=0.1)
        began = time.monotonic()
        connection.drain_events()
        assert time.monotonic() - began < SOON_S
    assert taken == [1]
