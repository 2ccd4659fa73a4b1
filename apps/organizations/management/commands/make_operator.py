"""`manage.py make_operator ADDRESS`: let a person operate this installation."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.organizations import audit


class Command(BaseCommand):
    """Mark somebody as an operator, or take that back; what they may read in notebooks stays as it is."""

    help = "Let a person operate this installation: add models that take its disk and network."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare whom."""
        parser.add_argument("address", help="their e-mail address")
        parser.add_argument("--no", action="store_true", help="take it back")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Mark the person; CommandError when there is nobody of that address."""
        user = User.objects.filter(email__iexact=options["address"]).first()
        if user is None:
            raise CommandError(f"wanted a person's address, got {options['address']}")
        wanted = not options["no"]
        accounts.make_operator(user=user, wanted=wanted)
        verb = "operator.named" if wanted else "operator.withdrawn"
        audit.record(verb=verb, actor=None, organization=None, target=user)
        word = "operates" if wanted else "does not operate"
        self.stdout.write(f"{user.email} {word} this installation.")
