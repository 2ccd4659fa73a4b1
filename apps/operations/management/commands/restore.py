"""`manage.py restore --from FILE`: make this instance what a backup says."""

from argparse import ArgumentParser
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

from apps.core.errors import DomainError
from apps.operations.restore import restore_backup
from inferencecloud.embedded import place


class Command(BaseCommand):
    """Restore a backup."""

    help = "Restore database and files from a backup. Stop the web processes and workers first."
    requires_migrations_checks = False
    requires_system_checks: list[str] = []  # the database may be empty

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file, and whether what is here may be replaced."""
        parser.add_argument("--from", dest="source", type=Path, required=True, metavar="FILE")
        parser.add_argument(
            "--replace", action="store_true", help="throw away what is in this instance"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Restore and say what came back."""
        source: Path = options["source"].resolve()
        if not source.is_file():
            raise CommandError(f"There is no file {source}.")
        try:
            with self._nobody_else():
                done = restore_backup(source, replace=options["replace"])
        except (DomainError, place.CannotServe, OperationalError) as refusal:
            raise CommandError(f"Nothing was changed: {refusal}") from refusal
        manifest = done.manifest
        self.stdout.write(
            f"Restored {manifest.row_count} rows and {len(manifest.files)} files of "
            f"{manifest.started_at}; every hash is as written. {done.documents} documents began a "
            "new epoch; everybody signs in again."
        )
        for name in manifest.missing_files:
            self.stdout.write(f"Not in the backup, for it was deleted meanwhile: {name}")
        if done.erased_since:
            self.stdout.write("Erased since that backup; to be erased again:")
            self.stdout.write("\n".join(f"  {one}" for one in done.erased_since))

    def _nobody_else(self) -> AbstractContextManager[object]:
        """Keep `manage.py serve` from the data meanwhile."""
        if connection.vendor != "sqlite":
            return nullcontext()
        return place.own_data_dir(settings.DATA_DIR)
