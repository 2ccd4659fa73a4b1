"""Forget a person who has left: what they wrote, who they were, and from where they signed in."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core import scrubbing
from apps.core.errors import DomainError
from apps.notebooks.models import Notebook, ShareGrant, Visit
from apps.notebooks.services import erasure
from apps.organizations import audit
from apps.organizations.models import Invitation, Membership, Organization
from apps.organizations.services import forgetting

FORMER = "Former member"  # of an account, not of a page: it stands in logs of every language


class StillAMember(DomainError):
    """Somebody who belongs to an organization leaves it first: their notebooks need another owner."""


def erase_person(*, person: User, by: User | None) -> dict[str, Any]:
    """Forget the person; return what was taken out of which notebook.

    The row stays without anything that says who it was, for others' rows refer to its id.

    Raises:
        StillAMember: The person has not left every organization.
    """
    if Membership.objects.filter(user=person).exists():
        message = _("%(person)s still belongs to an organization and has to leave it first.")
        raise StillAMember(message % {"person": person})
    written = {}
    for organization in Organization.objects.order_by("pk"):
        found = erasure.forget_writing(person=person, organization=organization, by=by)
        written.update(found)
    _forget_account(person, by, notebooks=sorted(written))
    return written


@transaction.atomic
def _forget_account(person: User, by: User | None, *, notebooks: list[str]) -> None:
    owned = Notebook.objects.filter(owner=person)
    if owned.exists():
        message = _("%(person)s still owns “%(title)s”.")
        raise StillAMember(message % {"person": person, "title": owned[0]})
    forgetting.forget_person(person)
    _forget_ways_in(person)
    ShareGrant.objects.filter(user=person).delete()
    Visit.objects.filter(user=person).delete()
    Invitation.objects.filter(email__iexact=person.email).update(email="")
    LogEntry.objects.filter(user=person).delete()
    LogEntry.objects.filter(object_id=str(person.pk)).update(object_repr=FORMER, change_message="")
    person.email, person.name = f"{person.pk}@erased.invalid", FORMER
    person.is_active = person.is_staff = person.is_superuser = False
    person.last_login = None
    person.set_unusable_password()
    person.save()
    audit.record(
        verb="person.erased",
        actor=None if by == person else by,
        organization=None,
        target=person,
        data={"notebooks": notebooks},
    )
    scrubbing.after_commit()


def _forget_ways_in(person: User) -> None:
    """End every session, and forget addresses, second steps and attempts to sign in."""
    sessions = UserSession.objects.filter(user=person)
    Session.objects.filter(
        session_key__in=list(sessions.values_list("session_key", flat=True))
    ).delete()
    for session in Session.objects.iterator(500):
        if session.get_decoded().get("_auth_user_id") == str(person.pk):
            session.delete()
    sessions.delete()
    Authenticator.objects.filter(user=person).delete()
    addresses = {
        person.email,
        *EmailAddress.objects.filter(user=person).values_list("email", flat=True),
    }
    EmailAddress.objects.filter(user=person).delete()
    for address in addresses:
        for log in (AccessAttempt, AccessLog, AccessFailureLog):
            log.objects.filter(username__iexact=address).delete()
