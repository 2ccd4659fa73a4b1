"""What the page "Divisions" shows: the tree, as far as the viewer administers."""

from collections import Counter
from dataclasses import dataclass

from apps.accounts.models import User
from apps.organizations.models import Division, Membership, Organization, Role, Workspace
from apps.organizations.policy import RANK
from apps.organizations.reach import Place, Reach, reach_of

DIVISION_RANK = RANK[Role.DIVISION_LEAD]  # from here on somebody may change divisions


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A division or workspace of the tree, and what the viewer may make of it."""

    place: Place
    is_division: bool
    people: int  # roles held in exactly this place
    may_edit: bool
    may_move: bool
    may_delete: bool
    may_add_division: bool
    may_add_workspace: bool


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The branches within reach, from the top."""

    branches: list[Branch]
    divisions: list[Place]  # where divisions and workspaces can go
    may_add_at_top: bool


def tree_of(user: User, organization: Organization) -> Tree:
    """Return the tree with what the person may do at each place."""
    reach = reach_of(user, organization)
    people = _people(organization)
    holding = {
        place.scope.parent_id if isinstance(place.scope, Division) else place.scope.division_id
        for place in reach.places
        if not isinstance(place.scope, Organization)
    }
    branches = [
        _branch(reach, place, people=people[place.scope.pk], is_empty=place.scope.pk not in holding)
        for place in reach.managed
        if not isinstance(place.scope, Organization)
    ]
    return Tree(
        branches=branches,
        divisions=[place for place in reach.managed if isinstance(place.scope, Division)],
        may_add_at_top=reach.whole,
    )


def _people(organization: Organization) -> Counter[object]:
    held = Membership.objects.filter(organization=organization).exclude(
        division__isnull=True, workspace__isnull=True
    )
    return Counter(
        workspace or division for division, workspace in held.values_list("division", "workspace")
    )


def _branch(reach: Reach, place: Place, *, people: int, is_empty: bool) -> Branch:
    scope = place.scope
    if isinstance(scope, Division):
        may_edit = place.rank >= DIVISION_RANK
        above = _rank_above(reach, scope.parent_id)
        return Branch(
            place=place,
            is_division=True,
            people=people,
            may_edit=may_edit,
            may_move=above >= DIVISION_RANK,
            may_delete=may_edit and is_empty,
            may_add_division=may_edit,
            may_add_workspace=True,
        )
    assert isinstance(scope, Workspace)  # noqa: S101  (the organization is no branch)
    return Branch(
        place=place,
        is_division=False,
        people=people,
        may_edit=True,
        may_move=_rank_above(reach, scope.division_id) >= 0,
        may_delete=False,
        may_add_division=False,
        may_add_workspace=False,
    )


def _rank_above(reach: Reach, division_id: object) -> int:
    return reach.rank_at(f"division:{division_id}" if division_id else "organization")
