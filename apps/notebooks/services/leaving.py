"""Let a person leave an organization: what they owned is handed over, their rights end.

Notebooks stand above memberships, so the whole of leaving is done here (docs/adr/0002-leaving.md).
"""

from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.notebooks.models import Notebook, ShareGrant, Visit
from apps.organizations import audit
from apps.organizations.models import Membership, Organization, Role
from apps.organizations.services import access, memberships

# Who can take over what somebody leaves behind: roles that create notebooks or administer.
HEIR_ROLES = [
    Role.OWNER,
    Role.ADMIN,
    Role.DIVISION_LEAD,
    Role.WORKSPACE_MANAGER,
    Role.EDITOR,
]


class HeirMissing(DomainError):
    """The person owns notebooks, and nobody was named to take them over."""


class NotAnHeir(DomainError):
    """The person named cannot own notebooks in this organization."""


@dataclass(frozen=True, kw_only=True)
class Departure:
    """Who leaves which organization, and who takes over."""

    organization: Organization
    person: User
    heir: User | None


@transaction.atomic
def leave(*, departure: Departure, by: User) -> int:
    """Hand over, end every right, and return how many notebooks changed hands."""
    memberships.lock_organization(departure.organization.pk)  # nothing more is given to the person
    memberships.must_be_removable(organization=departure.organization, user=departure.person, by=by)
    owned = list(
        Notebook.objects.select_for_update(of=("self",))
        .filter(organization=departure.organization, owner=departure.person)
        .select_related("workspace")
    )
    if owned:
        _hand_over(owned, departure, by)
    ShareGrant.objects.filter(
        notebook__organization=departure.organization, user=departure.person
    ).delete()
    Visit.objects.filter(
        notebook__organization=departure.organization, user=departure.person
    ).delete()
    memberships.end_all_memberships(
        organization=departure.organization, user=departure.person, by=by
    )
    return len(owned)


def _hand_over(owned: list[Notebook], departure: Departure, by: User) -> None:
    heir = departure.heir
    if heir is None:
        message = _("%(person)s owns notebooks: choose who takes them over.")
        raise HeirMissing(message % {"person": departure.person})
    if heir == departure.person or not may_inherit(heir, departure.organization):
        message = _("%(heir)s cannot take over notebooks here.")
        raise NotAnHeir(message % {"heir": heir})
    for notebook in owned:
        notebook.owner = heir
        audit.record(
            verb="notebook.handed_over",
            actor=by,
            organization=departure.organization,
            target=notebook,
            data={"from": str(departure.person), "to": str(heir)},
        )
    Notebook.objects.bulk_update(owned, ["owner"])
    ShareGrant.objects.filter(notebook__in=owned, user=heir).delete()  # an owner holds no grant
    access.changed_for([heir.pk])


def may_inherit(user: User, organization: Organization) -> bool:
    """Say whether the person can take over notebooks."""
    held = Membership.objects.filter(user=user, organization=organization)
    return user.is_active and held.filter(role__in=HEIR_ROLES).exists()
