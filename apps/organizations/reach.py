"""How far a person's administration of one organization reaches, worked out once for a page.

It says for every place what `policy.rank_in` says for one (a test compares them), in three queries.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Q

from apps.accounts.models import User
from apps.organizations.models import Division, Membership, Organization, Role, Workspace
from apps.organizations.policy import PEOPLE_MANAGERS, RANK, Scope, roles_possible_in

NOWHERE = -1


@dataclass(frozen=True, kw_only=True)
class Place:
    """A part of the organization as a row of a tree: the whole has depth 0."""

    scope: Scope
    depth: int
    rank: int

    @property
    def value(self) -> str:
        """Return the place as the value of a form."""
        return place_value(self.scope)

    @property
    def indented(self) -> str:
        """Return the name, moved in as the tree is."""
        return "\u2003" * self.depth + str(self.scope)

    @property
    def roles(self) -> list[Role]:
        """Return the roles that the person may give here."""
        return [role for role in roles_possible_in(self.scope) if RANK[role] <= self.rank]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """The tree of an organization with the rank that one person has at each place."""

    user: User
    organization: Organization
    places: list[Place]
    by_value: dict[str, Place] = field(repr=False)

    @property
    def managed(self) -> list[Place]:
        """Return the places where the person manages people."""
        return [place for place in self.places if place.rank > NOWHERE]

    @property
    def whole(self) -> bool:
        """Say whether the person manages the organization and not only parts."""
        return self.places[0].rank > NOWHERE

    @property
    def owns(self) -> bool:
        """Say whether the person is an owner."""
        return self.places[0].rank == RANK[Role.OWNER]

    def rank_at(self, scope_value: str) -> int:
        """Return the person's rank at the place."""
        place = self.by_value.get(scope_value)
        return place.rank if place else NOWHERE

    def memberships(self) -> Q:
        """Return the filter for the memberships and invitations within reach."""
        if self.whole:
            return Q(organization=self.organization)
        divisions = [p.scope.pk for p in self.managed if isinstance(p.scope, Division)]
        workspaces = [p.scope.pk for p in self.managed if isinstance(p.scope, Workspace)]
        return Q(organization=self.organization) & (
            Q(division__in=divisions) | Q(workspace__in=workspaces)
        )


def place_value(scope: Scope) -> str:
    """Return the scope as a value of forms and addresses, such as `division:<id>`."""
    if isinstance(scope, Organization):
        return "organization"
    return f"{scope._meta.model_name}:{scope.pk}"


def reach_of(user: User, organization: Organization) -> Reach:
    """Return what the person may administer in the organization."""
    own: dict[str, int] = defaultdict(lambda: NOWHERE)
    held = Membership.objects.filter(user=user, organization=organization)
    for division, workspace, role in held.values_list("division", "workspace", "role"):
        if role in PEOPLE_MANAGERS:
            key = _key(division, workspace)
            own[key] = max(own[key], RANK[role])
    places = list(_walk(organization, own))
    return Reach(
        user=user,
        organization=organization,
        places=places,
        by_value={place.value: place for place in places},
    )


def _key(division: UUID | None, workspace: UUID | None) -> str:
    if workspace:
        return f"workspace:{workspace}"
    return f"division:{division}" if division else "organization"


def _walk(organization: Organization, own: dict[str, int]) -> Iterator[Place]:
    """Yield the tree from the top, each place with its own rank or the one from above."""
    divisions: dict[UUID | None, list[Division]] = defaultdict(list)
    for division in organization.divisions.all():
        divisions[division.parent_id].append(division)
    workspaces: dict[UUID, list[Workspace]] = defaultdict(list)
    for workspace in organization.workspaces.all():
        workspaces[workspace.division_id].append(workspace)

    def below(parent: UUID | None, depth: int, rank: int) -> Iterator[Place]:
        for division in divisions[parent]:
            here = max(rank, own[f"division:{division.pk}"])
            yield Place(scope=division, depth=depth, rank=here)
            for workspace in workspaces[division.pk]:
                own_rank = own[f"workspace:{workspace.pk}"]
                yield Place(scope=workspace, depth=depth + 1, rank=max(here, own_rank))
            yield from below(division.pk, depth + 1, here)

    top = own["organization"]
    yield Place(scope=organization, depth=0, rank=top)
    yield from below(None, 1, top)
