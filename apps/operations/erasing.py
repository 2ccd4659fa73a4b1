"""Forget what somebody wrote, one text of a model, or who has left with all that is known of them."""

from functools import partial
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core import scrubbing
from apps.core.errors import DomainError
from apps.inference.models import Output
from apps.learning.services import downloads
from apps.notebooks.models import Notebook, ShareGrant, Visit
from apps.notebooks.services import erasure
from apps.operations.models import Export
from apps.organizations import audit
from apps.organizations.models import Invitation, Membership, Organization
from apps.organizations.services import forgetting

FORMER = "Former member"  # of an account, not of a page: it stands in logs of every language


class StillAMember(DomainError):
    """Somebody who belongs to an organization leaves it first: their notebooks need another owner."""


def erase_text_of(*, person: User, organization: Organization, by: User) -> dict[str, int]:
    """Forget all that the person wrote in the organization, who may stay a member; return how much.

    Packages and exports go too: they hold copies.
    """
    written = erasure.forget_writing(person=person, organization=organization, by=by)
    counts = {
        name: sum(getattr(one, name) for one in written.values())
        for name in ("outputs", "prompts", "records", "releases", "pictures")
    }
    told = {
        **counts,
        "notebooks": len(written),
        "made_elsewhere": sum(len(one.made_elsewhere) for one in written.values()),
    }
    with transaction.atomic():
        withdraw_copies(organization)
        audit.record(
            verb="person.text_erased",
            actor=by,
            organization=organization,
            target=organization,
            data={"person": str(person.pk), **told},
        )
    return told


@transaction.atomic
def erase_output(*, output: Output, by: User) -> erasure.Erased:
    """Forget one text of a model, and the copies of it that wait to be fetched; return how much."""
    erased = erasure.forget_output(output=output, by=by)
    withdraw_copies(output.organization)
    return erased


def withdraw_copies(organization: Organization) -> None:
    """Let go of what was put together to be fetched: exports and packages of examples."""
    downloads.withdraw(organization)
    exports = list(Export.objects.filter(organization=organization))
    Export.objects.filter(pk__in=[one.pk for one in exports]).delete()
    names = [str(one.file.name) for one in exports if one.file]
    transaction.on_commit(partial(_delete, names), robust=True)


def _delete(names: list[str]) -> None:
    for name in names:
        default_storage.delete(name)


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
