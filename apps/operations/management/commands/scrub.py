"""`manage.py scrub`: write the database anew, so that no page keeps bytes of what was erased."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from apps.core.scrubbing import empty_log


class Command(BaseCommand):
    """Write every table anew."""

    help = "Write the database anew. Locks each table while it does so."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run VACUUM in the form that moves everything."""
        with connection.cursor() as cursor:
            cursor.execute("VACUUM" if connection.vendor == "sqlite" else "VACUUM FULL")
        empty_log()
        self.stdout.write("Every table is written anew.")
