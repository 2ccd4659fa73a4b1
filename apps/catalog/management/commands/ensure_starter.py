"""Register the model that came with the source."""

from django.core.management.base import BaseCommand

from apps.catalog import services


class Command(BaseCommand):
    """Register and deploy the starter; running it again changes nothing."""

    help = "Register the model that came with the source and let it write (idempotent)."

    def handle(self, *_args: object, **_options: object) -> None:
        """Say what writes now."""
        deployment = services.ensure_starter()
        self.stdout.write(str(deployment) if deployment else "The source came without a model.")
