"""The operations app."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.operations"
    label = "operations"
