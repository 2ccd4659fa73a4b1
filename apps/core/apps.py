"""The core app."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.core"
    label = "core"
