"""Change one's own profile, with the audit event that accounts cannot leave."""

from django.db import transaction

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.accounts.services import Profile
from apps.organizations import audit


@transaction.atomic
def change_profile(*, user: User, profile: Profile) -> None:
    """Keep name, colour, language and theme; the event says which of them changed."""
    changed = accounts.change_profile(user=user, profile=profile)
    if changed:
        audit.record(
            verb="profile.changed",
            actor=user,
            organization=None,
            target=user,
            data={"fields": changed},
        )


def change_theme(*, user: User, theme: str) -> None:
    """Keep light, dark or the system's; it is a switch of the shell, so it has a way of its own."""
    profile = Profile(
        name=user.name, caret_color=user.caret_color, language=user.language, theme=theme
    )
    change_profile(user=user, profile=profile)
