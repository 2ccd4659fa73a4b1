"""The notebooks app."""

from django.apps import AppConfig


class NotebooksConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.notebooks"
    label = "notebooks"

    def ready(self) -> None:
        """Ask to be told of every output; the outbox needs the app registry."""
        from apps.inference import outbox  # noqa: PLC0415  (models load after the registry)

        outbox.register("notebooks.adoption", "apps.notebooks.services.adoption.consume")
