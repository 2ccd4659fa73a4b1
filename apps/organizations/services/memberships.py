"""Give, change and take roles."""

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.organizations import audit
from apps.organizations.models import Membership, Organization, Role
from apps.organizations.policy import (
    RANK,
    Scope,
    organization_of,
    rank_in,
    roles_in,
    roles_possible_in,
)
from apps.organizations.services import access


class RoleOutOfReach(DomainError):
    """The role ranks above what the actor may give, change or take there."""


class RoleOutOfPlace(DomainError):
    """The role cannot be held in this kind of place."""


class NotToOneself(DomainError):
    """People do not change their own roles."""


class AlreadyMember(DomainError):
    """The person holds a role in this very place already."""


class NotInOrganization(DomainError):
    """The person does not belong to the organization yet: an invitation comes first."""


class OwnerMissing(DomainError):
    """The organization would be left without an owner."""


class LastRole(DomainError):
    """It is the person's only role: taking it means that the person leaves the organization."""


@dataclass(frozen=True, kw_only=True)
class RoleGiven:
    """A role in a place."""

    scope: Scope
    role: str


@transaction.atomic
def add_membership(*, user: User, given: RoleGiven, by: User) -> Membership:
    """Give a person of the organization a role in one more place."""
    organization = _lock(given.scope)
    if not Membership.objects.filter(organization=organization, user=user).exists():
        raise NotInOrganization(_("%(person)s has to be invited first.") % {"person": user})
    must_be_givable(by=by, given=given)
    _must_not_be_oneself(by, user, organization)
    return create_membership(user=user, given=given, by=by)


def create_membership(*, user: User, given: RoleGiven, by: User) -> Membership:
    """Create the membership that a service has found allowed."""
    organization = organization_of(given.scope)
    if Membership.objects.in_scope(given.scope).filter(user=user).exists():
        message = _("%(person)s already has a role in “%(place)s”.")
        raise AlreadyMember(message % {"person": user, "place": given.scope})
    membership = Membership(organization=organization, user=user, role=given.role)
    if given.scope != organization:
        setattr(membership, given.scope._meta.model_name or "", given.scope)
    membership.save()
    _record("membership.added", membership, by, role=membership.role)
    access.changed_for([user.pk])
    return membership


@transaction.atomic
def change_role(*, membership: Membership, role: str, by: User) -> Membership:
    """Give the person another role in the same place."""
    _lock(membership.scope)
    membership = Membership.objects.select_related("user").get(pk=membership.pk)
    _must_be_in_reach(membership, by)
    must_be_givable(by=by, given=RoleGiven(scope=membership.scope, role=role))
    _must_not_be_oneself(by, membership.user, membership.organization)
    if role != Role.OWNER:
        _an_owner_stays(membership.organization, without=[membership])
    before, membership.role = membership.role, role
    membership.save(update_fields=["role"])
    _record("membership.changed", membership, by, before=before, role=role)
    access.changed_for([membership.user_id])
    return membership


@transaction.atomic
def end_membership(*, membership: Membership, by: User) -> None:
    """Take one of several roles; the person stays in the organization."""
    _lock(membership.scope)
    _must_be_in_reach(membership, by)
    others = Membership.objects.filter(
        organization=membership.organization_id, user=membership.user_id
    ).exclude(pk=membership.pk)
    if not others.exists():
        message = _("It is the only role of %(person)s: remove the person instead.")
        raise LastRole(message % {"person": membership.user})
    _an_owner_stays(membership.organization, without=[membership])
    _end(membership, by)


@transaction.atomic
def end_all_memberships(*, organization: Organization, user: User, by: User) -> None:
    """Take every role of the person in the organization.

    Called by the service with which a person leaves (apps.notebooks.services.leaving), after it has
    handed over what the person owned.
    """
    _lock(organization)
    held = list(Membership.objects.filter(organization=organization, user=user))
    must_be_removable(organization=organization, user=user, by=by)
    _an_owner_stays(organization, without=held)
    for membership in held:
        _end(membership, by)
    audit.record(
        verb="person.left" if by == user else "person.removed",
        actor=by,
        organization=organization,
        target=user,
    )


def must_be_removable(*, organization: Organization, user: User, by: User) -> None:
    """Raise RoleOutOfReach unless the actor may take each role of the person."""
    held = Membership.objects.filter(organization=organization, user=user)
    for membership in held.select_related("organization", "division__parent", "workspace"):
        _must_be_in_reach(membership, by)


def must_be_givable(*, by: User, given: RoleGiven) -> None:
    """Raise unless the actor may give this role in this place."""
    if given.role not in roles_possible_in(given.scope):
        message = _("“%(role)s” is not a role in “%(place)s”.")
        raise RoleOutOfPlace(message % {"role": _label(given.role), "place": given.scope})
    if RANK[given.role] > rank_in(by, given.scope):
        message = _("You may not make anybody %(role)s of “%(place)s”.")
        raise RoleOutOfReach(message % {"role": _label(given.role), "place": given.scope})


def _must_be_in_reach(membership: Membership, by: User) -> None:
    if membership.user_id == by.pk:
        return  # everybody may lay a role down
    if RANK[membership.role] > rank_in(by, membership.scope):
        message = _("You may not change the role of %(person)s in “%(place)s”.")
        raise RoleOutOfReach(message % {"person": membership.user, "place": membership.scope})


def _must_not_be_oneself(by: User, user: User, organization: Organization) -> None:
    """Refuse a role for oneself: who administers must not read by their own decision.

    Owners may (in an emergency there is nobody else); the audit log shows it.
    """
    if by == user and Role.OWNER not in roles_in(by, organization):
        raise NotToOneself(_("Ask another administrator to change your own role."))


def _an_owner_stays(organization: Organization, *, without: list[Membership]) -> None:
    owners = Membership.objects.in_scope(organization).filter(role=Role.OWNER)
    gone = [membership.pk for membership in without]
    if owners.filter(pk__in=gone).exists() and not owners.exclude(pk__in=gone).exists():
        message = _("“%(organization)s” needs an owner: make somebody else owner first.")
        raise OwnerMissing(message % {"organization": organization})


def lock_organization(pk: UUID) -> Organization:
    """Return the organization, locked until the transaction ends: who belongs to it stays as it is.

    Always the first lock that a transaction takes. It lets others point to the organization meanwhile
    (`no_key`): every audit event does.
    """
    return Organization.objects.select_for_update(no_key=True).get(pk=pk)


def _lock(scope: Scope) -> Organization:
    """Lock the scope's organization: two owners must not step down at the same moment."""
    return lock_organization(organization_of(scope).pk)


def _end(membership: Membership, by: User) -> None:
    _record("membership.ended", membership, by, role=membership.role)
    membership.delete()
    access.changed_for([membership.user_id])


def _record(verb: str, membership: Membership, by: User, **data: str) -> None:
    audit.record(
        verb=verb,
        actor=by,
        organization=membership.organization,
        target=membership,
        data={
            **data,
            "person": str(membership.user),
            "email": membership.user.email,
            "place": str(membership.scope),
        },
    )


def _label(role: str) -> str:
    return str(Role(role).label) if role in Role.values else role
