"""What many people may do with one notebook, in three queries: the check inside every batch of updates.

`selectors.level_of` asks the same question about one person; a test holds both to one answer.
"""

import uuid
from collections.abc import Collection

from django.db.models import Q
from django.utils import timezone

from apps.notebooks.models import Notebook, ShareGrant
from apps.organizations.models import Division, Membership
from apps.organizations.policy import ROLE_LEVEL, Level, ancestry


def levels_on(notebook: Notebook, people: Collection[uuid.UUID]) -> dict[uuid.UUID, Level]:
    """Return each person's level; the notebook comes with its workspace and division loaded."""
    memberships = list(
        Membership.objects.filter(
            organization=notebook.organization_id, user__in=people, user__is_active=True
        ).select_related("workspace")  # for the division that it lies in
    )
    members = {held.user_id for held in memberships}
    above = {division.pk for division in ancestry(notebook.workspace.division)}
    levels = dict.fromkeys(people, Level.NONE)
    for held in memberships:
        if _holds_here(held, notebook, above):
            role = ROLE_LEVEL.get(held.role, Level.NONE)
            if notebook.audience == Notebook.Audience.WORKSPACE or role == Level.MANAGE:
                levels[held.user_id] = max(levels[held.user_id], role)
    for person, level in _granted(notebook, memberships):
        levels[person] = max(levels[person], level)
    if notebook.owner_id in members:
        levels[notebook.owner_id] = Level.MANAGE
    return levels


def _holds_here(held: Membership, notebook: Notebook, above: set[uuid.UUID]) -> bool:
    if held.workspace_id is not None:
        return held.workspace_id == notebook.workspace_id
    return held.division_id is None or held.division_id in above


def _granted(notebook: Notebook, memberships: list[Membership]) -> list[tuple[uuid.UUID, Level]]:
    """Return the grants in force as pairs of person and level, divisions resolved to members."""
    in_force = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    to_somebody = Q(user__in={held.user_id for held in memberships}) | Q(division__isnull=False)
    grants = list(ShareGrant.objects.filter(in_force, to_somebody, notebook=notebook))
    found = [(grant.user_id, Level(grant.level)) for grant in grants if grant.user_id]
    by_division = [grant for grant in grants if grant.division_id]
    if by_division:
        parents = dict(
            Division.objects.filter(organization=notebook.organization_id).values_list(
                "pk", "parent"
            )
        )
        for held in memberships:
            homes = _homes(held, parents)
            found += [
                (held.user_id, Level(grant.level))
                for grant in by_division
                if grant.division_id in homes
            ]
    return found


def _homes(held: Membership, parents: dict[uuid.UUID, uuid.UUID | None]) -> set[uuid.UUID]:
    """Return the division that the person works in by this membership, with those above it."""
    at = held.workspace.division_id if held.workspace is not None else held.division_id
    homes: set[uuid.UUID] = set()
    while at is not None:
        homes.add(at)
        at = parents.get(at)
    return homes
