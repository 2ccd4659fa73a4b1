"""What each role may do: product.md's matrix as predicates of django-rules.

Content is not administration: an owner or admin runs the organization without reading its notebooks.
"""

from enum import IntEnum
from typing import Any

import rules
from django.db.models import Q

from apps.accounts.models import User
from apps.organizations.models import Division, Membership, Organization, Role, Workspace

Scope = Organization | Division | Workspace


class Level(IntEnum):
    """What a person may do with one notebook; each level contains those below it."""

    NONE = 0
    VIEW = 10
    COMMENT = 20  # reads only until comments exist
    SUGGEST = 30  # reads only until suggestions exist
    EDIT = 40
    RUN = 50
    MANAGE = 60


# What a role gives on a notebook that is open to its workspace. Roles that are absent give nothing.
ROLE_LEVEL: dict[str, Level] = {
    Role.DIVISION_LEAD: Level.MANAGE,
    Role.WORKSPACE_MANAGER: Level.MANAGE,
    Role.EDITOR: Level.RUN,
    Role.APPROVER: Level.SUGGEST,
    Role.COMMENTER: Level.COMMENT,
    Role.VIEWER: Level.VIEW,
}
CREATORS = {Role.OWNER, Role.DIVISION_LEAD, Role.WORKSPACE_MANAGER, Role.EDITOR}
ADMINISTRATORS = {Role.OWNER, Role.ADMIN}
LOCAL_ADMINISTRATORS = {Role.DIVISION_LEAD, Role.WORKSPACE_MANAGER}


def ancestry(division: Division) -> list[Division]:
    """Return the division and those above it, the nearest first."""
    chain = [division]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    return chain


def covering(scope: Scope) -> Q:
    """Return the filter for memberships that hold in the scope."""
    whole = Q(division__isnull=True, workspace__isnull=True)
    if isinstance(scope, Organization):
        return Q(organization=scope) & whole
    if isinstance(scope, Division):
        return Q(organization=scope.organization_id) & (whole | Q(division__in=ancestry(scope)))
    return Q(organization=scope.organization_id) & (
        whole | Q(workspace=scope) | Q(division__in=ancestry(scope.division))
    )


def roles_in(user: User, scope: Scope) -> set[str]:
    """Return the roles that the person holds in the scope."""
    if not user.is_authenticated or not user.is_active:
        return set()
    held = Membership.objects.filter(covering(scope), user=user)
    return set(held.values_list("role", flat=True))


def workspace_level(user: User, workspace: Workspace) -> Level:
    """Return what the person's roles give on notebooks open to the workspace."""
    return max(
        (ROLE_LEVEL.get(Role(role), Level.NONE) for role in roles_in(user, workspace)),
        default=Level.NONE,
    )


def has_role(name: str, *wanted: str) -> rules.predicates.Predicate:
    """Return a predicate: the person holds one of the roles in the scope at hand."""

    @rules.predicate(name=name)
    def predicate(user: Any, scope: Any) -> bool:  # django-rules gives no types
        return scope is not None and not roles_in(user, scope).isdisjoint(wanted)

    return predicate


is_owner = has_role("is_owner", Role.OWNER)
is_administrator = has_role("is_administrator", *ADMINISTRATORS)
is_local_administrator = has_role("is_local_administrator", *LOCAL_ADMINISTRATORS)
is_auditor = has_role("is_auditor", Role.AUDITOR)
is_lead = has_role("is_lead", Role.DIVISION_LEAD)
is_creator = has_role("is_creator", *CREATORS)

rules.add_perm("organizations.delete_organization", is_owner)
rules.add_perm("organizations.change_organization", is_administrator)
rules.add_perm("organizations.manage_people", is_administrator | is_local_administrator)
rules.add_perm("organizations.manage_divisions", is_administrator | is_lead)
rules.add_perm("organizations.manage_workspaces", is_administrator | is_local_administrator)
rules.add_perm("organizations.read_audit", is_administrator | is_auditor | is_lead)
rules.add_perm("organizations.create_notebook", is_creator)
