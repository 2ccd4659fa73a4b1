"""The notebooks app."""

from django.apps import AppConfig


class NotebooksConfig(AppConfig):
    """Name and label of the app."""

    name = "apps.notebooks"
    label = "notebooks"

    def ready(self) -> None:
        """Ask to be told of every output, and to be asked about runs that have waited."""
        from apps.inference import gates, outbox  # noqa: PLC0415  (models load after the registry)

        gates.register("notebook", "apps.notebooks.services.chain.may_go_on")
        consume = "apps.notebooks.services.adoption.consume"
        outbox.register("notebooks.adoption", consume, in_batches=True)
