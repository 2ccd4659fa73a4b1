"""The gates to an organization and its parts. Views reach them through these functions only.

`need` names a permission that the person must have there, too.
"""

import hashlib
from typing import TypeVar
from uuid import UUID

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.organizations.models import (
    Division,
    Invitation,
    Membership,
    Organization,
    Workspace,
)
from apps.organizations.reach import reach_of

S = TypeVar("S", Organization, Division, Workspace)
T = TypeVar("T")


def organization_for(user: User, slug: str, *, need: str | None = None) -> Organization:
    """Return the organization of the slug; NotVisible unless the person belongs to it."""
    found = Organization.objects.of(user).filter(slug=slug).first()
    return allowed(user, found, need)


def division_for(
    user: User, pk: UUID | str, *, within: Organization, need: str | None = None
) -> Division:
    """Return a division of the organization, through whose gate the person has come."""
    found = within.divisions.select_related("organization", "parent").filter(pk=pk).first()
    return allowed(user, found, need)


def workspace_for(
    user: User, pk: UUID | str, *, within: Organization, need: str | None = None
) -> Workspace:
    """Return a workspace of the organization, through whose gate the person has come."""
    workspaces = within.workspaces.select_related("organization", "division__parent")
    return allowed(user, workspaces.filter(pk=pk).first(), need)


def allowed(user: User, found: S | None, need: str | None) -> S:
    """Return what was found; NotVisible when it is nothing, or nothing for this person."""
    if found is None or (need and not user.has_perm(need, found)):
        raise NotVisible
    return found


def membership_in_reach(user: User, organization: Organization, pk: UUID | str) -> Membership:
    """Return the membership; NotVisible unless the person administers its place."""
    within = Membership.objects.filter(reach_of(user, organization).memberships())
    found = within.select_related("user", "organization", "division__parent", "workspace")
    return _found(found.filter(pk=pk).first())


def invitation_in_reach(user: User, organization: Organization, pk: UUID | str) -> Invitation:
    """Return the invitation; NotVisible unless the person administers its place."""
    within = Invitation.objects.filter(reach_of(user, organization).memberships())
    return _found(within.filter(pk=pk).first())


def person_in_reach(user: User, organization: Organization, pk: UUID | str) -> User:
    """Return a member; NotVisible unless one of their roles lies where the person administers."""
    within = Membership.objects.filter(reach_of(user, organization).memberships())
    return _found(User.objects.filter(pk__in=within.values("user"), pk=pk).first())


def invitation_for(token: str) -> Invitation:
    """Return the invitation of a link, open or not; whoever has the link may see it."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    found = Invitation.objects.select_related("organization", "division", "workspace", "invited_by")
    return _found(found.filter(secret_sha256=digest).first())


def _found(found: T | None) -> T:
    if found is None:
        raise NotVisible
    return found
