"""Background work that belongs to no feature."""

from celery import shared_task
from django.core.management import call_command


@shared_task(time_limit=300)
def forget_sessions(**_future: object) -> None:
    """Delete the sessions that have expired."""
    call_command("clearsessions")
