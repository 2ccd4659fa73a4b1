"""The realtime app."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.realtime"
    label = "realtime"
