"""The organizations app."""

from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.organizations"
    label = "organizations"

    def ready(self) -> None:
        """Listen to allauth (docs/adr/0004), which can be imported only now."""
        from apps.organizations.services import sign_in  # noqa: PLC0415

        sign_in.listen()
