"""Read the audit log: who may see which events, filters, pages by key, rows of the export."""

import csv
import io
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.organizations.models import (
    AuditEvent,
    AuditEventQuerySet,
    Membership,
    Organization,
    Role,
)
from apps.organizations.policy import ADMINISTRATORS, with_those_below

PER_PAGE = 50
READ_ALL = ADMINISTRATORS | {Role.AUDITOR}


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """What the reader asked for. Days are days of UTC, both included."""

    actor: str = ""
    verb: str = ""
    target: str = ""
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, kw_only=True)
class AuditPage:
    """Some events, the newest first, and where the next page begins."""

    events: list[AuditEvent]
    next_before: str


def readable_events(user: User, organization: Organization) -> AuditEventQuerySet:
    """Return the events that the person may read: all, or those of the divisions led."""
    events = AuditEvent.objects.filter(organization=organization)
    held = Membership.objects.filter(user=user, organization=organization)
    if held.filter(role__in=READ_ALL).exists():
        return events
    led = set(held.filter(role=Role.DIVISION_LEAD).values_list("division_id", flat=True))
    return events.filter(division__in=with_those_below(organization, led))


def matching(events: AuditEventQuerySet, wanted: AuditFilter) -> AuditEventQuerySet:
    """Return the events that fit the filter."""
    conditions = Q()
    if wanted.actor:
        conditions &= Q(actor=wanted.actor)
    if wanted.verb:
        conditions &= Q(verb=wanted.verb)
    if wanted.target:
        conditions &= Q(target_label__icontains=wanted.target) | Q(target_id=wanted.target)
    if wanted.since:
        conditions &= Q(at__gte=datetime.combine(wanted.since, time.min, UTC))
    if wanted.until:
        conditions &= Q(at__lte=datetime.combine(wanted.until, time.max, UTC))
    return events.filter(conditions)


def page_of(events: AuditEventQuerySet, before: str, *, size: int = PER_PAGE) -> AuditPage:
    """Return the page that begins after the key of an event; an unreadable key begins at the top.

    Pages by key neither skip nor repeat an event while new ones arrive.
    """
    key = _parse(before)
    if key:
        events = events.older_than(*key)
    found = list(events.order_by("-at", "-id")[: size + 1])
    shown = found[:size]
    more = len(found) > size
    return AuditPage(events=shown, next_before=key_of(shown[-1]) if more else "")


@dataclass(frozen=True, kw_only=True)
class AuditChoices:
    """What the filters offer: who and what occurs in the log."""

    actors: list[tuple[str, str]]
    verbs: list[tuple[str, str]]


def choices_of(events: AuditEventQuerySet) -> AuditChoices:
    """Return the actors and verbs that occur in the events."""
    actors = events.order_by().values_list("actor", "actor_label").distinct()
    verbs = events.order_by().values_list("verb", flat=True).distinct()
    return AuditChoices(
        actors=sorted(
            ((str(pk), label) for pk, label in actors if pk), key=lambda one: one[1].lower()
        ),
        verbs=sorted(((verb, words_for(verb)) for verb in verbs), key=lambda one: one[1]),
    )


def key_of(event: AuditEvent) -> str:
    """Return the place of the event in the order of the log."""
    return f"{event.at.isoformat()}_{event.pk}"


def _parse(before: str) -> tuple[datetime, str] | None:
    at, _bar, pk = before.partition("_")
    try:
        moment = datetime.fromisoformat(at)
        uuid.UUID(pk)
        return (moment.astimezone(UTC), pk) if moment.tzinfo else None
    except (ValueError, OverflowError):  # the year 1 east of Greenwich is before all time in UTC
        return None


CSV_HEAD = [
    "at_utc",
    "actor",
    "verb",
    "target_type",
    "target_id",
    "target",
    "data",
    "ip",
    "user_agent",
]


def csv_lines(rows: Iterable[list[str]]) -> str:
    """Return rows as CSV text."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def csv_row(event: AuditEvent) -> list[str]:
    """Return the event as a row of the export."""
    return [
        event.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        *(
            inert(value)
            for value in (
                event.actor_label,
                event.verb,
                event.target_type,
                event.target_id,
                event.target_label,
                details(event),
                event.ip or "",
                event.user_agent,
            )
        ),
    ]


def details(event: AuditEvent) -> str:
    """Return the data of the event in one line, in an order of its own: PostgreSQL keeps none."""
    return "; ".join(
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in sorted(event.data.items(), key=_before_comes_before_after)
        if value not in ("", None)  # no set: a list can be in none
    )


def _before_comes_before_after(item: tuple[str, Any]) -> tuple[str, bool]:
    name, _value = item
    return ("before" if name == "after" else name, name == "after")


def inert(value: str) -> str:
    """Return the value so that a spreadsheet takes it for text and not for a formula."""
    return f"'{value}" if value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


# Words for the verbs; one that is missing here is shown as it is written.
WORDS = {
    "organization.created": _("created the organization"),
    "organization.renamed": _("renamed the organization"),
    "division.created": _("added a division"),
    "division.renamed": _("renamed a division"),
    "division.moved": _("moved a division"),
    "division.deleted": _("deleted a division"),
    "workspace.created": _("added a workspace"),
    "workspace.renamed": _("renamed a workspace"),
    "workspace.moved": _("moved a workspace"),
    "workspace.archived": _("archived a workspace"),
    "workspace.reopened": _("reopened a workspace"),
    "membership.added": _("gave a role"),
    "membership.changed": _("changed a role"),
    "membership.ended": _("took a role"),
    "person.left": _("left the organization"),
    "person.removed": _("removed a person"),
    "invitation.created": _("invited somebody"),
    "invitation.withdrawn": _("withdrew an invitation"),
    "invitation.accepted": _("accepted an invitation"),
    "audit.exported": _("exported the audit log"),
    "account.signed_in": _("signed in"),
    "account.signed_out": _("signed out"),
    "account.password_changed": _("changed the password"),
    "account.sessions_ended": _("ended sessions"),
    "account.second_step_added": _("added a second step"),
    "account.second_step_removed": _("removed a second step"),
    "account.address_added": _("added an e-mail address"),
    "account.address_removed": _("removed an e-mail address"),
    "account.address_changed": _("changed the main e-mail address"),
    "profile.changed": _("changed the own profile"),
    "notebook.created": _("created a notebook"),
    "notebook.renamed": _("renamed a notebook"),
    "notebook.edited": _("wrote in a notebook"),
    "notebook.moved": _("moved a notebook"),
    "notebook.duplicated": _("duplicated a notebook"),
    "notebook.forked": _("kept a diverged copy of a notebook"),
    "notebook.trashed": _("put a notebook into the trash"),
    "notebook.restored": _("took a notebook from the trash"),
    "notebook.deleted": _("deleted a notebook for good"),
    "notebook.handed_over": _("handed a notebook over"),
    "notebook.shared": _("shared a notebook"),
    "notebook.share_changed": _("changed a share"),
    "notebook.share_withdrawn": _("withdrew a share"),
    "notebook.audience_changed": _("changed who may open a notebook"),
    "notebook.link_created": _("made a link to a notebook"),
    "notebook.link_opened": _("came in by a link"),
    "notebook.past_erased": _("had forgotten what stood in a notebook before"),
    "notebook.writing_erased": _("had forgotten what a person wrote in a notebook"),
    "output.erased": _("had a model's text forgotten"),
    "record.erased": _("had an edit record forgotten"),
    "person.text_erased": _("had all that a person wrote forgotten"),
    "person.erased": _("had a person forgotten"),
    "retention.changed": _("changed how long things are kept"),
    "retention.applied": _("let go of what was kept long enough"),
    "organization.exported": _("exported everything"),
    "organization.export_fetched": _("fetched an export"),
    "instance.restored": _("restored the instance from a backup"),
    "image.uploaded": _("put in a picture"),
    "cell.released": _("released a text to other divisions"),
    "feedback.given": _("said what they think of a model's text"),
    "feedback.withdrawn": _("took back what they thought of a model's text"),
    "notebook.learning_denied": _("let nothing be learned from a notebook"),
    "notebook.learning_allowed": _("let a notebook be learned from again"),
    "notebook.downloaded": _("downloaded a notebook"),
    "profile.learning_denied": _("let nothing be learned from what they write"),
    "profile.learning_allowed": _("let what they write be learned from again"),
    "quota.changed": _("set a limit of tokens"),
    "quota.used_up": _("had a day's tokens used up"),
    "usage.downloaded": _("downloaded the usage"),
    "run.started": _("had models write"),
    "run.stopped": _("stopped the models"),
    "learning.packed": _("had what may be learned from packed"),
    "learning.downloaded": _("downloaded what may be learned from"),
    "model.deployed": _("deployed a model"),
    "model.remote_registered": _("registered a model at another server"),
    "model.import_started": _("had a model fetched"),
    "model.import_cancelled": _("stopped the fetching of a model"),
    "model.imported": _("added a model"),
    "model.tried": _("tried a model"),
    "model.removed": _("removed a model"),
    "operator.named": _("became an operator of the installation"),
    "operator.withdrawn": _("is no operator of the installation any more"),
    "organization.ai_switched_on": _("let models write in the organization"),
    "organization.ai_switched_off": _("switched models off in the organization"),
    "workspace.ai_switched_on": _("let models write in a workspace"),
    "workspace.ai_switched_off": _("switched models off in a workspace"),
    "profile.ai_switched_on": _("switched models on for themselves"),
    "profile.ai_switched_off": _("switched models off for themselves"),
    "operator.created": _("created something as operator"),
    "operator.changed": _("changed something as operator"),
    "operator.deleted": _("deleted something as operator"),
    "operator.second_step_removed": _("removed a second step as operator"),
}


def words_for(verb: str) -> str:
    """Return what was done, in words."""
    return str(WORDS[verb]) if verb in WORDS else verb
