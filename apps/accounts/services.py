"""Write about people. The audit log stands above: services of organizations leave the events."""

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.db import transaction

from apps.accounts.models import CARET_COLORS, User


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What people say about themselves."""

    name: str
    caret_color: int
    language: str
    theme: str


@transaction.atomic
def create_verified_user(*, email: str, password: str, name: str) -> User:
    """Create a person whose address needs no letter of confirmation."""
    user = User.objects.create_user(email, password, name=name)
    user.caret_color = user.pk.int % CARET_COLORS
    user.save(update_fields=["caret_color"])
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def make_operator(*, user: User, wanted: bool = True) -> None:
    """Let the person operate the instance, or not any more: its machine, not what others write."""
    user.is_staff = wanted
    user.save(update_fields=["is_staff"])


def change_profile(*, user: User, profile: Profile) -> list[str]:
    """Keep what the person says; return the names of the fields that differ from before."""
    changed = [
        name
        for name in ("name", "caret_color", "language", "theme")
        if getattr(user, name) != getattr(profile, name)
    ]
    for name in changed:
        setattr(user, name, getattr(profile, name))
    user.save(update_fields=changed)
    return changed


def verified_addresses(user: User) -> set[str]:
    """Return the addresses that the person has shown to own, in lower case."""
    addresses = EmailAddress.objects.filter(user=user, verified=True)
    return {address.lower() for address in addresses.values_list("email", flat=True)}
