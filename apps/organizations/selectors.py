"""The gates to an organization and its parts. Views reach them through these functions only.

`need` names a permission that the person must have there, too.
"""

from typing import TypeVar

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.organizations.models import Division, Organization, Workspace

S = TypeVar("S", Organization, Division, Workspace)


def organization_for(user: User, slug: str, *, need: str | None = None) -> Organization:
    """Return the organization of the slug; NotVisible unless the person belongs to it."""
    found = Organization.objects.of(user).filter(slug=slug).first()
    return _allowed(user, found, need)


def division_for(user: User, pk: str, *, need: str | None = None) -> Division:
    """Return the division; NotVisible unless the person belongs to its organization."""
    found = Division.objects.filter(organization__in=Organization.objects.of(user), pk=pk).first()
    return _allowed(user, found, need)


def workspace_for(user: User, pk: str, *, need: str | None = None) -> Workspace:
    """Return the workspace; NotVisible unless the person belongs to its organization."""
    found = (
        Workspace.objects.select_related("organization", "division__parent")
        .filter(organization__in=Organization.objects.of(user), pk=pk)
        .first()
    )
    return _allowed(user, found, need)


def _allowed(user: User, found: S | None, need: str | None) -> S:
    if found is None or (need and not user.has_perm(need, found)):
        raise NotVisible
    return found
