"""Background work that belongs to no feature, and the schedule of all of it."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from apps.core import tasks
from inferencecloud.celery import app


@pytest.mark.django_db
def test_expired_sessions_are_forgotten_and_others_stay() -> None:
    now = timezone.now()
    Session.objects.create(session_key="old", expire_date=now - timedelta(days=1))
    Session.objects.create(session_key="new", expire_date=now + timedelta(days=1))

    tasks.forget_sessions()

    assert [one.session_key for one in Session.objects.all()] == ["new"]


@pytest.mark.parametrize("name", settings.CELERY_BEAT_SCHEDULE)
def test_what_is_scheduled_exists_and_goes_to_a_queue_that_is_served(name: str) -> None:
    app.loader.import_default_modules()
    task = app.tasks[settings.CELERY_BEAT_SCHEDULE[name]["task"]]

    queue = getattr(task, "queue", None) or settings.CELERY_TASK_DEFAULT_QUEUE
    assert queue in settings.CELERY_TASK_QUEUES
