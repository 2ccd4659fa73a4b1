"""Background work of operations."""

import uuid

from celery import shared_task

from apps.operations import execution


@shared_task(acks_late=True, time_limit=1700)
def put_together(*, export_id: str, **_future: object) -> None:
    """Write an export that waits; one that is ready stays as it is."""
    execution.put_together(uuid.UUID(export_id))


@shared_task(acks_late=True, time_limit=1700)
def look_after_exports(**_future: object) -> None:
    """Write exports that no worker was told of, and let go of those whose time is over."""
    execution.look_after_exports()


@shared_task(acks_late=True, time_limit=1700)
def apply_retention(**_future: object) -> None:
    """Let go of what organizations keep no longer, as much as one pass may."""
    execution.apply_retention()
