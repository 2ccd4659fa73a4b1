"""Background work of the catalog: fetch models."""

import uuid

from celery import shared_task

from apps.catalog import execution


@shared_task(acks_late=True)
def fetch_model(*, import_id: str, **_future: object) -> None:
    """Fetch a model that waits, in slices; twice is the same as once."""
    if execution.fetch(uuid.UUID(import_id)):
        fetch_model.delay(import_id=import_id)


@shared_task(acks_late=True, expires=30)
def look_after_imports(**_future: object) -> None:
    """Go on with what no worker is at, and let go of what nobody came back to."""
    for pk in execution.overlooked():
        fetch_model.delay(import_id=str(pk))
    execution.tidy()
