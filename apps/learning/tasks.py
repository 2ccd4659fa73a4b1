"""Background work of learning."""

import uuid

from celery import shared_task

from apps.learning import execution


@shared_task(acks_late=True, time_limit=1700)
def pack(*, package_id: str, **_future: object) -> None:
    """Pack examples that wait; a package that is ready stays as it is."""
    execution.pack(uuid.UUID(package_id))


@shared_task(acks_late=True, time_limit=1700)
def look_after_packages(**_future: object) -> None:
    """Pack what no worker was told of, and let go of what is over its time."""
    execution.look_after_packages()
