"""What many people may do with one notebook: the check inside every batch of updates.

`selectors.level_of` asks the same question about one person; tests hold both to one answer.
"""

import uuid
from collections.abc import Collection

from django.db.models import Q
from django.utils import timezone

from apps.notebooks.models import Notebook, ShareGrant
from apps.notebooks.statements import Held, Place, memberships
from apps.organizations.models import Division, Role
from apps.organizations.policy import ROLE_LEVEL, Level


def levels_on(notebook: Notebook, people: Collection[uuid.UUID]) -> dict[uuid.UUID, Level]:
    """Return each person's level; the notebook comes with its workspace loaded."""
    place = Place(
        notebook_id=notebook.pk,
        owner_id=notebook.owner_id,
        audience=notebook.audience,
        organization_id=notebook.organization_id,
        workspace_id=notebook.workspace_id,
        division_id=notebook.workspace.division_id,
        has_grants=True,
    )
    return levels_at(place, people)


def levels_at(place: Place, people: Collection[uuid.UUID]) -> dict[uuid.UUID, Level]:
    """Return each person's level: one query where nothing is shared and divisions are flat."""
    held = memberships(place.organization_id, people)
    tree = _Tree(place)
    levels = dict.fromkeys(people, Level.NONE)
    for one in held:
        if _holds_here(one, place, tree):
            level = ROLE_LEVEL.get(Role(one.role), Level.NONE)
            if place.audience == Notebook.Audience.WORKSPACE or level == Level.MANAGE:
                levels[one.user_id] = max(levels[one.user_id], level)
    for person, level in _granted(place, held, tree) if place.has_grants else ():
        levels[person] = max(levels[person], level)
    if any(one.user_id == place.owner_id for one in held):
        levels[place.owner_id] = Level.MANAGE
    return levels


class _Tree:
    """The organization's divisions, read only when something depends on them."""

    def __init__(self, place: Place) -> None:
        self._organization = place.organization_id
        self._parents: dict[uuid.UUID, uuid.UUID | None] | None = None

    def is_within(self, division: uuid.UUID | None, above: uuid.UUID) -> bool:
        """Say whether the division is the other one, or below it."""
        if division is None or division == above:
            return division == above
        if self._parents is None:
            tree = Division.objects.filter(organization=self._organization)
            self._parents = dict(tree.values_list("pk", "parent"))
        return self.is_within(self._parents.get(division), above)


def _holds_here(held: Held, place: Place, tree: _Tree) -> bool:
    if held.workspace_id is not None:
        return held.workspace_id == place.workspace_id
    return held.division_id is None or tree.is_within(place.division_id, held.division_id)


def _granted(place: Place, held: Collection[Held], tree: _Tree) -> list[tuple[uuid.UUID, Level]]:
    """Return the grants in force as pairs of person and level, divisions resolved to members."""
    in_force = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    members = {one.user_id for one in held}
    to_somebody = Q(user__in=members) | Q(division__isnull=False)
    found = []
    for grant in ShareGrant.objects.filter(in_force, to_somebody, notebook=place.notebook_id):
        level = Level(grant.level)
        if grant.user_id is not None:
            found.append((grant.user_id, level))
        elif grant.division_id is not None:
            division = grant.division_id
            found += [(one.user_id, level) for one in held if tree.is_within(one.home_id, division)]
    return found
