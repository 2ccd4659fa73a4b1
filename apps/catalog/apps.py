"""The catalog app."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.catalog"
    label = "catalog"
