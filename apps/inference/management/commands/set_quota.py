"""`manage.py set_quota`: how many tokens an organization, a division or a person may spend in a day."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import User
from apps.inference import quotas
from apps.organizations.models import Organization


class Command(BaseCommand):
    """Set, raise or take away a quota."""

    help = "Limit the tokens of a day (UTC); --none takes the limit away."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare whose quota, and how much."""
        parser.add_argument("organization", help="slug, as in /o/SLUG/")
        amount = parser.add_mutually_exclusive_group(required=True)
        amount.add_argument("--tokens", type=int)
        amount.add_argument("--none", action="store_true")
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument("--division", help="slug of a division")
        whose.add_argument("--person", help="e-mail address of a member")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Find whom it limits, and set it."""
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"wanted an organization, got no “{options['organization']}”")
        division = user = None
        if options["division"]:
            division = organization.divisions.filter(slug=options["division"]).first()
            if division is None:
                raise CommandError(f"wanted a division of it, got no “{options['division']}”")
        if options["person"]:
            members = User.objects.filter(memberships__organization=organization)
            user = members.filter(email__iexact=options["person"]).first()
            if user is None:
                raise CommandError(f"wanted a member's address, got “{options['person']}”")
        try:
            quotas.set_quota(
                organization=organization,
                by=None,
                tokens_per_day=options["tokens"],
                division=division,
                user=user,
            )
        except quotas.QuotaOutOfRange as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write("The quota is set." if options["tokens"] else "The quota is gone.")
