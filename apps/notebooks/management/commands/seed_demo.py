"""`manage.py seed_demo`: fill an empty instance with the demo."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from apps.notebooks.services.demo import ACCOUNTS_FILE, COMPANY, seed_demo


class Command(BaseCommand):
    """Create the demo company, once, and print how to sign in."""

    help = "Fill an instance without people with the demo company; elsewhere do nothing."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Seed and print the accounts; say so where people exist already."""
        accounts = seed_demo(settings.DATA_DIR)
        if not accounts:
            self.stdout.write("There are people here already: the demo was not added.")
            return
        self.stdout.write(f"Demo company “{COMPANY}”. Sign in as one of:")
        for account in accounts:
            self.stdout.write(f"  {account.role:<36} {account.email:<28} {account.password}")
        self.stdout.write(f"Kept in {settings.DATA_DIR / ACCOUNTS_FILE} (readable by you only).")
