"""Build and change the tree of divisions and workspaces."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.organizations import audit
from apps.organizations.models import Division, Membership, Organization, Workspace
from apps.organizations.policy import ancestry
from apps.organizations.services import access
from apps.organizations.services.slugs import free_slug


class DivisionInItself(DomainError):
    """A division was to move into itself or below itself."""


class DivisionNotEmpty(DomainError):
    """A division that still holds something cannot be deleted."""


class DivisionHoldsLastRoles(DomainError):
    """Somebody would leave the organization with the division, and nobody take over what they own."""


class OtherOrganization(DomainError):
    """A part was to move into another organization."""


@transaction.atomic
def add_division(
    *, organization: Organization, parent: Division | None, name: str, by: User
) -> Division:
    """Create a division at the top or within another."""
    if parent is not None:
        _must_belong(parent, organization)
    division = Division.objects.create(
        organization=organization,
        parent=parent,
        name=name,
        slug=free_slug(organization.divisions.all(), name),
    )
    _record("division.created", division, by, within=str(parent or ""))
    return division


@transaction.atomic
def rename_division(*, division: Division, name: str, by: User) -> Division:
    """Give the division another name."""
    before, division.name = division.name, name
    division.save(update_fields=["name"])
    _record("division.renamed", division, by, before=before, after=name)
    return division


@transaction.atomic
def move_division(*, division: Division, parent: Division | None, by: User) -> Division:
    """Put the division, with all that it holds, within another or at the top."""
    # Two moves at once could close a circle that neither of them sees.
    Organization.objects.select_for_update(no_key=True).get(pk=division.organization_id)
    if parent is not None:
        _must_belong(parent, division.organization)
        parent = Division.objects.get(pk=parent.pk)
        if division in ancestry(parent):
            message = _("“%(division)s” cannot move into “%(parent)s”, which lies within it.")
            raise DivisionInItself(message % {"division": division, "parent": parent})
    before, division.parent = division.parent, parent
    division.save(update_fields=["parent"])
    _record("division.moved", division, by, before=str(before or ""), after=str(parent or ""))
    access.changed_by_a_move(division.organization)
    return division


@transaction.atomic
def delete_division(*, division: Division, by: User) -> None:
    """Delete a division that holds neither divisions nor workspaces; its roles end."""
    # Nobody's other role ends meanwhile.
    Organization.objects.select_for_update(no_key=True).get(pk=division.organization_id)
    division = Division.objects.select_for_update(of=("self",)).get(pk=division.pk)
    if division.children.exists() or division.workspaces.exists():
        message = _("“%(division)s” still holds divisions or workspaces: move them first.")
        raise DivisionNotEmpty(message % {"division": division})
    members = list(division.memberships.values_list("user_id", flat=True))
    _refuse_last_roles(division, members)
    _record("division.deleted", division, by, roles_ended=len(members))
    division.delete()
    access.changed_for(members)


@transaction.atomic
def add_workspace(*, division: Division, name: str, by: User) -> Workspace:
    """Create a workspace in the division."""
    workspace = Workspace.objects.create(
        organization=division.organization,
        division=division,
        name=name,
        slug=free_slug(division.organization.workspaces.all(), name),
    )
    _record("workspace.created", workspace, by, within=str(division))
    return workspace


@transaction.atomic
def rename_workspace(*, workspace: Workspace, name: str, by: User) -> Workspace:
    """Give the workspace another name."""
    before, workspace.name = workspace.name, name
    workspace.save(update_fields=["name"])
    _record("workspace.renamed", workspace, by, before=before, after=name)
    return workspace


@transaction.atomic
def move_workspace(*, workspace: Workspace, division: Division, by: User) -> Workspace:
    """Put the workspace, with its notebooks, into another division."""
    _must_belong(division, workspace.organization)
    before, workspace.division = workspace.division, division
    workspace.save(update_fields=["division"])
    _record("workspace.moved", workspace, by, before=str(before), after=str(division))
    access.changed_by_a_move(workspace.organization)
    return workspace


@transaction.atomic
def archive_workspace(*, workspace: Workspace, by: User) -> Workspace:
    """Close the workspace to new notebooks; those in it stay readable."""
    workspace.archived_at = timezone.now()
    workspace.save(update_fields=["archived_at"])
    _record("workspace.archived", workspace, by)
    return workspace


@transaction.atomic
def reopen_workspace(*, workspace: Workspace, by: User) -> Workspace:
    """Take the workspace out of the archive."""
    workspace.archived_at = None
    workspace.save(update_fields=["archived_at"])
    _record("workspace.reopened", workspace, by)
    return workspace


def _refuse_last_roles(division: Division, members: list[UUID]) -> None:
    elsewhere = Membership.objects.filter(organization=division.organization_id, user__in=members)
    kept = elsewhere.exclude(division=division).values("user")
    last = User.objects.filter(pk__in=members).exclude(pk__in=kept).order_by("name")
    if last:
        message = _(
            "The only role of %(people)s is in “%(division)s”: give another, or remove them."
        )
        people = ", ".join(str(person) for person in last[:5])
        raise DivisionHoldsLastRoles(message % {"people": people, "division": division})


def _must_belong(division: Division, organization: Organization) -> None:
    if division.organization_id != organization.pk:
        raise OtherOrganization(_("Parts of one organization cannot move into another."))


def _record(verb: str, target: Division | Workspace, by: User, **data: Any) -> None:
    audit.record(verb=verb, actor=by, organization=target.organization, target=target, data=data)
