"""The console app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.console"
    label = "console"
