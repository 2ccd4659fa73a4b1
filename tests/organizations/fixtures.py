"""Types of the fixtures about organizations."""

from collections.abc import Callable

from django.test import Client

from apps.accounts.models import User

Told = list[str]  # the topics on which access.changed was published, in order
SignedIn = Callable[[User], Client]
