"""What a person may see of the learning of an organization, and whether they may take it along.

Model stewards see all of it; who leads divisions sees what settled in them. Owners and admins run the
organization and read no content here either.
"""

import uuid
from dataclasses import dataclass

from django.db.models import Q

from apps.accounts.models import User
from apps.organizations.models import Membership, Organization, Role
from apps.organizations.policy import with_those_below


@dataclass(frozen=True, kw_only=True)
class Sight:
    """How far a person sees."""

    organization: Organization
    divisions: frozenset[uuid.UUID] | None  # None: everything

    @property
    def whole(self) -> bool:
        """Say whether nothing is hidden."""
        return self.divisions is None

    def records(self) -> Q:
        """Return the filter for the edit records in sight."""
        here = Q(organization=self.organization)
        return here if self.divisions is None else here & Q(division__in=self.divisions)


def sight_of(user: User, organization: Organization) -> Sight:
    """Return what the person sees; nothing for who holds neither role."""
    held = Membership.objects.filter(user=user, organization=organization)
    if held.filter(role=Role.STEWARD).exists():
        return Sight(organization=organization, divisions=None)
    led = set(held.filter(role=Role.DIVISION_LEAD).values_list("division_id", flat=True))
    return Sight(organization=organization, divisions=with_those_below(organization, led))
