"""`manage.py backup --out FILE`: the whole instance in one file, while people go on writing."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.operations.backup import write_backup


class Command(BaseCommand):
    """Write a backup."""

    help = "Write database and files into one file, as they were at one moment."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the name of the file."""
        parser.add_argument("--out", type=Path, required=True, metavar="FILE")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write it and say what is in it."""
        out: Path = options["out"].resolve()
        if not out.parent.is_dir():
            raise CommandError(f"There is no folder {out.parent}.")
        if out.exists():
            raise CommandError(f"{out} exists already; a backup never overwrites one.")
        made = write_backup(out)
        self.stdout.write(
            f"{out}: {made.row_count} rows, {made.file_count} files, {made.size_bytes} bytes"
        )
