"""The inference app."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.inference"
    label = "inference"
