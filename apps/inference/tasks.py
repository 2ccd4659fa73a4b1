"""The workers' tasks: ids in, everything else from the database, safe to run twice.

Whoever calls names the queue (wake.py): a pool's own for a stage, the default one for the rest.
"""

from functools import cache
from uuid import UUID

from celery import shared_task

from apps.catalog import services as catalog
from apps.inference import execution, outbox, reconciler, trying, worker

worker.register()


@shared_task(acks_late=True)
def run_stage(*, run_id: str, pool: str, **_future: object) -> None:
    """Run the next stage of a run; doing it twice is the same as doing it once."""
    execution.run_stage(run_id=run_id, pool=pool)


@shared_task(acks_late=True)
def deliver(**_future: object) -> None:
    """Deliver what the outbox holds."""
    outbox.deliver()


@shared_task(acks_late=True, expires=30)
def reconcile(**_future: object) -> None:
    """Put right whatever was lost; the first time in a process, see that something writes."""
    _register_starter()
    reconciler.reconcile()


@shared_task(acks_late=True)
def try_model(*, trial_id: str, **_future: object) -> None:
    """Have a model write a short text for somebody who wants to see it."""
    trying.write(UUID(trial_id))


@shared_task(acks_late=True, expires=30)
def look_after_trials(**_future: object) -> None:
    """End the trials that nobody goes on with."""
    trying.give_up()


@cache
def _register_starter() -> None:
    """Register the model that came with this version of the source, once per process."""
    catalog.ensure_starter()
