"""Celery inside the web process: a worker on a pool of threads, and the schedule as a timer thread.

`memory://` carries the tasks. What must not be lost when the process dies is in the database; a task is
only the wake-up.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from celery import Celery, beat
from celery.app import trace
from celery.worker import WorkController, state

HOSTNAME = "embedded@localhost"
logger = logging.getLogger(__name__)


@contextmanager
def background_work(app: Celery, *, threads: int, grace_s: float) -> Iterator[None]:
    """Run tasks and schedule while the block runs; afterwards give running tasks `grace_s` to end."""
    worker = _worker(app, threads)
    working = threading.Thread(target=worker.start, name="celery-worker", daemon=True)
    schedule = beat.EmbeddedService(app, thread=True, scheduler_cls=beat.Scheduler)
    working.start()
    schedule.start()
    try:
        yield
    finally:
        deadline = time.monotonic() + grace_s
        schedule.service.stop(wait=False)
        state.should_stop = 0  # the worker's own loop reads this: stop takes no call across threads
        app.control.broadcast("ping")  # the loop looks when a message comes, or every 2 s
        working.join(max(0.0, deadline - time.monotonic()))
        schedule.join(max(0.0, deadline - time.monotonic()))
        if working.is_alive():
            logger.warning("ended with tasks still running; they resume from the database")


def _worker(app: Celery, threads: int) -> WorkController:
    # What `celery worker` does first: without it a pool's thread looks for its task in another app,
    # and nobody hears that it is not there.
    trace.setup_worker_optimizations(app, HOSTNAME)
    return WorkController(
        app=app,
        pool="threads",
        concurrency=threads,
        hostname=HOSTNAME,
        without_heartbeat=True,
        without_mingle=True,
        without_gossip=True,
    )
