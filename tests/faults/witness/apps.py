"""An app that only notes what the outbox delivers."""

from django.apps import AppConfig


class WitnessConfig(AppConfig):
    """Listens in place of the features."""

    name = "tests.faults.witness"
    label = "witness"

    def ready(self) -> None:
        """Take the features' place: their documents do not exist here."""
        from apps.inference import outbox

        outbox.unregister("notebooks.adoption")
        outbox.register("witness", "tests.faults.witness.notes.take")
