"""Background work of notebooks."""

import uuid

from celery import shared_task

from apps.notebooks import execution


@shared_task(acks_late=True, time_limit=300)
def compact(*, notebook_id: str, **_future: object) -> None:
    """Merge the updates of one document; doing it twice is the same as doing it once."""
    execution.compact(uuid.UUID(notebook_id))


@shared_task(acks_late=True, time_limit=900)
def compact_due(**_future: object) -> None:
    """Compact every document that has grown long (the reconciler calls it every few minutes)."""
    for notebook_id in execution.due_for_compaction():
        execution.compact(notebook_id)


@shared_task(acks_late=True, time_limit=120)
def project(*, notebook_id: str, **_future: object) -> None:
    """Read the cells of one document; doing it twice is the same as doing it once."""
    execution.project(uuid.UUID(notebook_id))


@shared_task(acks_late=True, time_limit=300)
def settle(*, notebook_id: str, **_future: object) -> None:
    """Settle the cells of one notebook that somebody made final; twice is the same as once."""
    execution.settle(uuid.UUID(notebook_id))


@shared_task(acks_late=True, time_limit=900, expires=300)
def settle_due(**_future: object) -> None:
    """Settle what has been idle for a day, or was to be settled and was not."""
    execution.settle_due()
