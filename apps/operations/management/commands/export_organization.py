"""`manage.py export_organization SLUG --out DIR`: everything that one organization owns, as files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.operations.export import Folder, write_export
from apps.organizations import audit
from apps.organizations.models import Organization


class Command(BaseCommand):
    """Write an export into a new folder."""

    help = "Write everything that one organization owns into a new folder."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the organization and the folder."""
        parser.add_argument("slug", help="the organization's part of its addresses: /o/SLUG/")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write it and say how much it is."""
        organization = Organization.objects.filter(slug=options["slug"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['slug']}.")
        out: Path = options["out"].resolve()
        if out.exists():
            raise CommandError(f"{out} exists already.")
        done = write_export(organization, Folder(out))
        audit.record(
            verb="organization.exported",
            actor=None,
            organization=organization,
            target=organization,
            data={"files": done.files, "by": "operator"},
        )
        self.stdout.write(
            f"{out}: {done.notebooks} notebooks, {done.files} files, {done.size_bytes} bytes"
        )
