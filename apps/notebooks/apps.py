"""The notebooks app."""

from django.apps import AppConfig


class NotebooksConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.notebooks"
    label = "notebooks"
