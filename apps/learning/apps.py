"""The learning app."""

from django.apps import AppConfig


class LearningConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.learning"
    label = "learning"
