"""The Celery application; tasks live in each app's tasks.py."""

import os

from celery import Celery
from django_structlog.celery.steps import DjangoStructLogInitStep
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inferencecloud.settings.dev")

TRANSPORT_ALIASES["memory"] = "inferencecloud.embedded.transport:Transport"  # wakes, never polls
for scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[scheme] = "inferencecloud.broker:Transport"  # a worker outlives its death

app = Celery("inferencecloud")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)  # a task's log lines carry the id of its request
