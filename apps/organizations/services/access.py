"""Tell open sockets that rights may have changed."""

from collections.abc import Iterable

from apps.organizations.models import Membership, Organization
from apps.realtime import publish
from apps.realtime.access import AccessChanged


def changed_for(user_ids: Iterable[object]) -> None:
    """Make every open socket of these people check again, once this is committed."""
    for user_id in set(user_ids):
        publish.on_commit(f"user.{user_id}", AccessChanged())


def changed_by_a_move(organization: Organization) -> None:
    """Make everybody check again whose role holds in a part: a part has moved.

    Roles in the whole organization do not depend on where its parts lie. Moves are rare; asking
    everybody else is cheaper than being wrong about whom a move concerns.
    """
    held = Membership.objects.filter(organization=organization)
    in_parts = held.exclude(division__isnull=True, workspace__isnull=True)
    changed_for(in_parts.values_list("user_id", flat=True))
