"""End in peace: a Celery worker that is asked to end has its stages give their steps back first."""

from typing import Any

from celery import bootsteps

from apps.inference import stops
from inferencecloud.celery import app as celery


class Drain(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Stops before the pool does, and so while the pool waits for its tasks."""

    requires = ("celery.worker.components:Pool",)

    def start(self, _worker: Any) -> None:
        """Take work."""
        stops.draining.clear()

    def stop(self, _worker: Any) -> None:
        """Tell every stage of this process to give back what it holds."""
        stops.draining.set()


def register() -> None:
    """Make the step part of every worker that starts from now on."""
    celery.steps["worker"].add(Drain)
