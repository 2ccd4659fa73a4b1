"""The core app."""

from django.apps import AppConfig
from django_structlog.celery.signals import bind_extra_task_metadata

from apps.core import log_lines


class CoreConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.core"
    label = "core"

    def ready(self) -> None:
        """Have the lines of a task say what it works on."""
        bind_extra_task_metadata.connect(log_lines.follow, dispatch_uid="core.log_lines")
