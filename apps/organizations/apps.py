"""The organizations app."""

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.organizations"
    label = "organizations"
