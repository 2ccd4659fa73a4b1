"""What a Celery worker does beside taking tasks: load the models, tell that it lives, end in peace."""

import threading
from typing import Any

from celery import bootsteps
from django.db import connection

from apps.inference import execution, heartbeat, stops
from inferencecloud.celery import app as celery

# Importing torch and loading a model keeps a small machine busy for seconds: not while it starts.
WARM_AFTER_S = 20.0


class Warm(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Loads the models of the queues that this worker serves, before anybody waits for one."""

    requires = ("celery.worker.components:Pool",)
    timer: threading.Timer | None = None

    def start(self, worker: Any) -> None:
        """Load them soon, beside the work."""
        pools = list(worker.app.amqp.queues.consume_from)
        self.timer = threading.Timer(WARM_AFTER_S, _warm, [pools])
        self.timer.daemon = True
        self.timer.start()

    def stop(self, _worker: Any) -> None:
        """Leave it."""
        if self.timer is not None:
            self.timer.cancel()


def _warm(pools: list[str]) -> None:
    try:
        execution.warm(pools)
    finally:
        connection.close()


class Tell(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Says every few seconds that this worker is there, and how its engine stands."""

    requires = ("celery.worker.components:Pool",)
    heart: heartbeat.Heart | None = None

    def start(self, worker: Any) -> None:
        """Begin to tell."""
        self.heart = heartbeat.Heart(list(worker.app.amqp.queues.consume_from))
        self.heart.start()

    def stop(self, _worker: Any) -> None:
        """Take leave."""
        if self.heart is not None:
            self.heart.stop()


class Drain(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Has stages give their steps back: stops before the pool, and so while it waits for its tasks."""

    requires = ("celery.worker.components:Pool",)

    def start(self, _worker: Any) -> None:
        """Take work."""
        stops.draining.clear()

    def stop(self, _worker: Any) -> None:
        """Tell every stage of this process."""
        stops.draining.set()


def register() -> None:
    """Make the steps part of every worker that starts from now on."""
    celery.steps["worker"].update([Warm, Drain, Tell])
