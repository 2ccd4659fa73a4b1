"""How far a person sees in the console. Figures only: what people and models wrote is behind its own gate.

Owners, admins and auditors see the whole organization; who leads divisions sees what these have used.
"""

import uuid
from dataclasses import dataclass

from django.db.models import Q

from apps.accounts.models import User
from apps.organizations.models import Membership, Organization, Role
from apps.organizations.policy import CONSOLE_READERS, with_those_below


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The organization, and the divisions that one sees of it."""

    organization: Organization
    divisions: frozenset[uuid.UUID] | None  # None: all of it

    @property
    def whole(self) -> bool:
        """Say whether nothing is hidden."""
        return self.divisions is None

    def covered(self, division: str = "division") -> Q:
        """Return the filter for rows of this organization with such a field."""
        here = Q(organization=self.organization)
        return here if self.divisions is None else here & Q(**{f"{division}__in": self.divisions})


def sight_of(user: User, organization: Organization) -> Sight:
    """Return what the person sees; nothing for who holds none of the roles."""
    held = Membership.objects.filter(user=user, organization=organization)
    if held.filter(role__in=CONSOLE_READERS).exists():
        return Sight(organization=organization, divisions=None)
    led = set(held.filter(role=Role.DIVISION_LEAD).values_list("division_id", flat=True))
    return Sight(organization=organization, divisions=with_those_below(organization, led))
