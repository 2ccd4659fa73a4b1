"""What an administrator can have forgotten, as the pages show it: counts and names, never a word of it."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.inference.models import Output
from apps.inference.specs import Subject
from apps.learning.models import EditRecord
from apps.notebooks.models import DocAuthor, DocUpdate, Image, Notebook
from apps.notebooks.selectors import reach_of
from apps.organizations.models import AuditEvent, Membership, Organization

NAMED = 20  # notebooks that a page names; of more it tells the number
PAST = 20  # erasures that the page lists
TOLD = ("outputs", "prompts", "records", "releases", "pictures")  # counts of an erasure
VERBS = ["person.text_erased", "output.erased"]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Notebooks, named as far as the reader may know of them."""

    count: int
    named: list[Notebook]

    @property
    def unnamed(self) -> int:
        """Return how many there are beside those that are named."""
        return self.count - len(self.named)


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What a person left in the organization."""

    person: User
    is_member: bool
    places: Places
    pictures: int


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text of a model, and what was made with it."""

    output: Output
    notebook: Notebook | None  # None: the reader may not open it, or it is gone
    readers: int  # outputs of other cells that had read it
    records: int


@dataclass(frozen=True, kw_only=True)
class Past:
    """An erasure that was done."""

    event: AuditEvent
    what: str  # person | output
    counts: dict[str, int]
    notebooks: int
    made_elsewhere: int


def writers(organization: Organization) -> QuerySet[User, User]:
    """Return the people who belong to the organization, or wrote in it while they did."""
    here = Q(user=OuterRef("pk"), document__notebook__organization=organization)
    signed, sent = DocAuthor.objects.filter(here), DocUpdate.objects.filter(here)
    pictured = Image.objects.filter(uploaded_by=OuterRef("pk"), notebook__organization=organization)
    belongs = Membership.objects.filter(user=OuterRef("pk"), organization=organization)
    found: QuerySet[User, User] = User.objects.filter(
        Q(Exists(belongs)) | Q(Exists(signed)) | Q(Exists(sent)) | Q(Exists(pictured))
    )
    return found.order_by("name", "email")


def writing_of(reader: User, organization: Organization, person: uuid.UUID) -> Writing:
    """Return what the person left there; NotVisible for who never was there."""
    found = writers(organization).filter(pk=person).first()
    if found is None:
        raise NotVisible
    pictures = Image.objects.filter(uploaded_by=found, notebook__organization=organization)
    here = Q(user=found, document__notebook__organization=organization)
    wrote = (kind.objects.filter(here) for kind in (DocAuthor, DocUpdate))
    ids = {pk for rows in wrote for pk in rows.values_list("document", flat=True).distinct()}
    ids |= set(pictures.values_list("notebook", flat=True))
    return Writing(
        person=found,
        is_member=Membership.objects.filter(user=found, organization=organization).exists(),
        places=_places(reader, organization, ids),
        pictures=pictures.count(),
    )


def text_of(reader: User, organization: Organization, output: uuid.UUID) -> Text:
    """Return the text; NotVisible when it is none of the organization's, or was erased."""
    outputs = Output.objects.filter(organization=organization, erased_at__isnull=True)
    found = outputs.select_related("step_run", "model_version__family").filter(pk=output).first()
    if found is None:
        raise NotVisible
    subject = Subject.of_topic(found.step_run.topic)
    home = {uuid.UUID(subject.id)} if subject.kind == "notebook" else set()
    places = _places(reader, organization, home)
    reads = Output.objects.filter(organization=organization).annotate(
        sources=Cast("inputs", TextField())
    )
    readers = reads.filter(sources__contains=str(found.pk))
    return Text(
        output=found,
        notebook=places.named[0] if places.named else None,
        readers=readers.exclude(pk=found.pk).count(),
        records=EditRecord.objects.filter(output=found, erased_at__isnull=True).count(),
    )


def past(organization: Organization) -> list[Past]:
    """Return the latest erasures that somebody had made."""
    events = AuditEvent.objects.filter(organization=organization, verb__in=VERBS)
    return [_past(event) for event in events.select_related("actor").order_by("-at")[:PAST]]


def _past(event: AuditEvent) -> Past:
    data: dict[str, Any] = event.data
    return Past(
        event=event,
        what="output" if event.verb == "output.erased" else "person",
        counts={name: int(data.get(name, 0)) for name in TOLD},
        notebooks=int(data.get("notebooks", 1)),
        made_elsewhere=_count(data.get("made_elsewhere", 0)),
    )


def _count(told: list[str] | int) -> int:
    return told if isinstance(told, int) else len(told)


def _places(reader: User, organization: Organization, ids: Collection[uuid.UUID]) -> Places:
    visible = reach_of(reader, organization).visible().filter(pk__in=ids)
    there = Notebook.objects.filter(organization=organization, pk__in=ids)
    return Places(count=there.count(), named=list(visible.order_by("title")[:NAMED]))
