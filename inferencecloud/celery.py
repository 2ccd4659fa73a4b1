"""The Celery application; tasks live in each app's tasks.py."""

import os

from celery import Celery
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inferencecloud.settings.dev")

app = Celery("inferencecloud")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)  # a task's log lines carry the id of its request
