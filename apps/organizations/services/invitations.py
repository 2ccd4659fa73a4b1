"""Invite by link: each link serves one person."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.accounts.services import verified_addresses
from apps.core.errors import DomainError
from apps.organizations import audit
from apps.organizations.models import Invitation, Membership
from apps.organizations.policy import organization_of
from apps.organizations.services import memberships
from apps.organizations.services.memberships import RoleGiven

DEFAULT_DAYS = 7


class InvitationClosed(DomainError):
    """The link was used, withdrawn, or is too old."""


class InvitationForAnother(DomainError):
    """The link was made for another e-mail address."""


class InviterOutOfReach(DomainError):
    """Whoever invited may no longer give this role."""


@dataclass(frozen=True, kw_only=True)
class Invited:
    """A fresh invitation and its link; the link cannot be read from the database again."""

    invitation: Invitation
    url: str


@transaction.atomic
def invite(*, given: RoleGiven, email: str, by: User, days: int = DEFAULT_DAYS) -> Invited:
    """Make a link that gives one person the role; mail it when an address is known."""
    memberships.must_be_givable(by=by, given=given)
    organization = organization_of(given.scope)
    token = secrets.token_urlsafe(32)
    invitation = Invitation(
        organization=organization,
        role=given.role,
        email=email.lower(),
        secret_sha256=hashlib.sha256(token.encode()).hexdigest(),
        invited_by=by,
        expires_at=timezone.now() + timedelta(days=days),
    )
    if given.scope != organization:
        setattr(invitation, given.scope._meta.model_name or "", given.scope)
    invitation.save()
    _record("invitation.created", invitation, by)
    url = settings.SITE_URL + reverse("organizations:invitation", args=[token])
    if invitation.email:
        # A mail server that is down must not take the link away: it stands on the page, too.
        transaction.on_commit(partial(_send, invitation, url), robust=True)
    return Invited(invitation=invitation, url=url)


@transaction.atomic
def withdraw_invitation(*, invitation: Invitation, by: User) -> Invitation:
    """Close the link."""
    invitation = Invitation.objects.select_for_update(of=("self",)).get(pk=invitation.pk)
    _must_be_open(invitation)
    invitation.withdrawn_at = timezone.now()
    invitation.save(update_fields=["withdrawn_at"])
    _record("invitation.withdrawn", invitation, by)
    return invitation


@transaction.atomic
def accept_invitation(*, invitation: Invitation, user: User) -> Membership:
    """Make the person a member as the link promises, and close the link."""
    invitation = Invitation.objects.select_for_update(of=("self",)).get(pk=invitation.pk)
    _must_be_open(invitation)
    if invitation.email and invitation.email not in verified_addresses(user):
        message = _("This invitation is for %(email)s. Sign in with that address to accept it.")
        raise InvitationForAnother(message % {"email": invitation.email})
    given = RoleGiven(scope=invitation.scope, role=invitation.role)
    _inviter_must_still_be_able(invitation, given)
    membership = memberships.create_membership(user=user, given=given, by=user)
    invitation.accepted_by, invitation.accepted_at = user, timezone.now()
    invitation.save(update_fields=["accepted_by", "accepted_at"])
    _record("invitation.accepted", invitation, user)
    return membership


def _must_be_open(invitation: Invitation) -> None:
    if not invitation.is_open:
        raise InvitationClosed(_("This invitation is no longer open: ask for a new one."))


def _inviter_must_still_be_able(invitation: Invitation, given: RoleGiven) -> None:
    """Refuse a role that its giver could not give today: a link must not outlive a right."""
    try:
        if invitation.invited_by is None:
            raise memberships.RoleOutOfReach
        memberships.must_be_givable(by=invitation.invited_by, given=given)
    except DomainError as refusal:
        message = _("Whoever sent this invitation may no longer invite there: ask for a new one.")
        raise InviterOutOfReach(message) from refusal


def _send(invitation: Invitation, url: str) -> None:
    inviter = invitation.invited_by
    context = {"invitation": invitation, "url": url, "inviter": inviter}
    with translation.override(inviter.language if inviter else settings.LANGUAGE_CODE):
        subject = _("%(inviter)s invites you to “%(place)s”")
        send_mail(
            subject=subject % {"inviter": inviter, "place": invitation.scope},
            message=render_to_string("organizations/invitation_mail.txt", context),
            from_email=None,
            recipient_list=[invitation.email],
        )


def _record(verb: str, invitation: Invitation, by: User) -> None:
    audit.record(
        verb=verb,
        actor=by,
        organization=invitation.organization,
        target=invitation,
        data={
            "role": invitation.role,
            "email": invitation.email,
            "place": str(invitation.scope),
        },
    )
