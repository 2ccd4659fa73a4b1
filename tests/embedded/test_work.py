"""Tasks and schedule on threads of one process."""

import threading
import time
from collections.abc import Iterator

import pytest
from celery import Celery
from celery.app import trace
from celery.worker import state

from inferencecloud.celery import app as ours
from inferencecloud.embedded.work import background_work


@pytest.fixture
def app() -> Iterator[Celery]:
    made = Celery("embedded-test", broker="memory://localhost", set_as_current=False)
    made.conf.update(
        task_ignore_result=True,
        task_default_queue="embedded-test",
    )
    yield made
    state.should_stop = None
    trace.reset_worker_optimizations(ours)
    ours.set_current()
    ours.set_default()
    made.close()


def test_a_task_runs_on_another_thread(app: Celery) -> None:
    done: list[str] = []

    @app.task
    def work() -> None:
        done.append(threading.current_thread().name)

    with background_work(app, threads=2, grace_s=5):
        work.delay()
        _wait_for(done)

    assert done != [threading.current_thread().name]


def test_what_is_scheduled_runs_again_and_again(app: Celery) -> None:
    done: list[float] = []

    @app.task(name="tick")
    def tick() -> None:
        done.append(time.monotonic())

    app.conf.beat_schedule = {"tick": {"task": "tick", "schedule": 0.2}}
    with background_work(app, threads=2, grace_s=5):
        _wait_for(done, count=3)

    assert len(done) >= 3


def test_the_end_does_not_wait_for_a_task_that_goes_on(app: Celery) -> None:
    begun: list[str] = []
    may_end = threading.Event()

    @app.task
    def long_work() -> None:
        begun.append("yes")
        may_end.wait(30)

    with background_work(app, threads=1, grace_s=0.5):
        long_work.delay()
        _wait_for(begun)
        asked = time.monotonic()

    assert time.monotonic() - asked < 5
    may_end.set()


def _wait_for(seen: list, count: int = 1) -> None:
    deadline = time.monotonic() + 20
    while len(seen) < count:
        assert time.monotonic() < deadline, "the worker did nothing"
        time.sleep(0.02)
