"""What each role may do: product.md's matrix as predicates of django-rules.

Content is not administration: owners and admins run the organization without reading its notebooks.
"""

from collections.abc import Collection
from enum import IntEnum
from typing import Any
from uuid import UUID

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
PEOPLE_MANAGERS = ADMINISTRATORS | LOCAL_ADMINISTRATORS
AUDIT_READERS = ADMINISTRATORS | {Role.AUDITOR, Role.DIVISION_LEAD}
CONSOLE_READERS = ADMINISTRATORS | {Role.AUDITOR}  # figures, no content
USAGE_READERS = CONSOLE_READERS | {Role.DIVISION_LEAD}
LEARNING_READERS = {Role.STEWARD, Role.DIVISION_LEAD}  # what people wrote: not the administrators

# Nobody gives, changes or takes a role that ranks above the highest of their own in that place.
RANK: dict[str, int] = {
    Role.OWNER: 100,
    Role.ADMIN: 90,
    Role.DIVISION_LEAD: 70,
    Role.WORKSPACE_MANAGER: 60,
    Role.AUDITOR: 50,
    Role.STEWARD: 50,
    Role.EDITOR: 40,
    Role.APPROVER: 40,
    Role.COMMENTER: 20,
    Role.VIEWER: 10,
    Role.GUEST: 0,
}
# Where each role can be held (the database holds it too).
ROLES_OF_ORGANIZATION = [
    Role.OWNER,
    Role.ADMIN,
    Role.AUDITOR,
    Role.STEWARD,
    Role.EDITOR,
    Role.APPROVER,
    Role.COMMENTER,
    Role.VIEWER,
    Role.GUEST,
]
ROLES_OF_WORKSPACE = [
    Role.WORKSPACE_MANAGER,
    Role.EDITOR,
    Role.APPROVER,
    Role.COMMENTER,
    Role.VIEWER,
    Role.GUEST,
]
ROLES_OF_DIVISION = [Role.DIVISION_LEAD, *ROLES_OF_WORKSPACE]


def roles_possible_in(scope: Scope) -> list[Role]:
    """Return the roles that can be held in the scope, the highest first."""
    if isinstance(scope, Organization):
        return ROLES_OF_ORGANIZATION
    return ROLES_OF_DIVISION if isinstance(scope, Division) else ROLES_OF_WORKSPACE


def organization_of(scope: Scope) -> Organization:
    """Return the organization that the scope is or lies in."""
    return scope if isinstance(scope, Organization) else scope.organization


def ancestry(division: Division) -> list[Division]:
    """Return the division and those above it, the nearest first."""
    chain = [division]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    return chain


def with_those_below(
    organization: Organization, divisions: Collection[UUID | None]
) -> frozenset[UUID]:
    """Return the ids of those of the organization's divisions, and of all below them (one query)."""
    parents = dict(organization.divisions.values_list("pk", "parent"))
    found = {pk for pk in parents if pk in divisions}
    while more := {pk for pk, parent in parents.items() if parent in found} - found:
        found |= more
    return frozenset(found)


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


def rank_in(user: User, scope: Scope) -> int:
    """Return the highest rank of the roles by which the person manages people there; or -1."""
    managing = roles_in(user, scope) & PEOPLE_MANAGERS
    return max((RANK[role] for role in managing), default=-1)


def roles_givable(user: User, scope: Scope) -> list[Role]:
    """Return the roles that the person may give in the scope, the highest first."""
    rank = rank_in(user, scope)
    return [role for role in roles_possible_in(scope) if RANK[role] <= rank]


def has_role(name: str, wanted: set[Role]) -> rules.predicates.Predicate:
    """Return a predicate: the person holds one of the roles in the scope at hand."""

    @rules.predicate(name=name)
    def predicate(user: Any, scope: Any) -> bool:  # django-rules gives no types
        return scope is not None and not roles_in(user, scope).isdisjoint(wanted)

    return predicate


def has_role_somewhere(name: str, wanted: set[Role]) -> rules.predicates.Predicate:
    """Return a predicate: the person holds one of the roles in the organization or a part of it."""

    @rules.predicate(name=name)
    def predicate(user: Any, organization: Any) -> bool:
        if organization is None or not user.is_active:
            return False
        held = Membership.objects.filter(user=user, organization=organization)
        return held.filter(role__in=wanted).exists()

    return predicate


is_owner = has_role("is_owner", {Role.OWNER})
is_administrator = has_role("is_administrator", ADMINISTRATORS)
is_people_manager = has_role("is_people_manager", PEOPLE_MANAGERS)
is_divisions_manager = has_role("is_divisions_manager", ADMINISTRATORS | {Role.DIVISION_LEAD})
is_audit_reader = has_role("is_audit_reader", AUDIT_READERS)
is_creator = has_role("is_creator", CREATORS)
is_steward = has_role("is_steward", {Role.STEWARD})
is_console_reader = has_role("is_console_reader", CONSOLE_READERS)

# On the scope at hand: an organization, a division or a workspace.
rules.add_perm("organizations.delete_organization", is_owner)
rules.add_perm("organizations.change_organization", is_administrator)
rules.add_perm("organizations.manage_people", is_people_manager)
rules.add_perm("organizations.manage_divisions", is_divisions_manager)
rules.add_perm("organizations.manage_workspaces", is_people_manager)
rules.add_perm("organizations.read_audit", is_audit_reader)
rules.add_perm("organizations.create_notebook", is_creator)
rules.add_perm("organizations.download_learning", is_steward)
rules.add_perm("organizations.open_console", is_console_reader)
rules.add_perm("organizations.set_quotas", is_administrator)
rules.add_perm("organizations.choose_models", is_administrator)

# On an organization: whether a page of administration has something for the person.
rules.add_perm(
    "organizations.open_people", has_role_somewhere("manages_people_somewhere", PEOPLE_MANAGERS)
)
rules.add_perm(
    "organizations.open_structure", has_role_somewhere("manages_parts_somewhere", PEOPLE_MANAGERS)
)
rules.add_perm(
    "organizations.open_audit", has_role_somewhere("reads_audit_somewhere", AUDIT_READERS)
)
rules.add_perm(
    "organizations.open_learning", has_role_somewhere("reads_learning_somewhere", LEARNING_READERS)
)
rules.add_perm(
    "organizations.open_usage", has_role_somewhere("reads_usage_somewhere", USAGE_READERS)
)
