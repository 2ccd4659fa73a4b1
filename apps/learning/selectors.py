"""What may be learned from: everybody who wrote in it, its notebook, and all that it was made from agree.

Consent is asked each time and kept nowhere else, so that a switch holds at once and for all records.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.inference.models import Output
from apps.learning.models import Consent, EditRecord, Feedback, Package, PromptWriter, RecordEditor
from apps.organizations.models import Organization

BATCH = 500  # ids in one query

Value = TypeVar("Value")


class Refusal(StrEnum):
    """Why a record may not be learned from."""

    ERASED = "erased"
    PERSON = "person"  # somebody whose words it has does not want it
    NOTEBOOK = "notebook"  # those who manage its notebook do not
    UPSTREAM = "upstream"  # those of a notebook from which its output was made do not


def package_of(organization: Organization, pk: UUID) -> Package:
    """Return a package of the organization that can be fetched; NotVisible otherwise."""
    ready = Package.objects.open().filter(organization=organization, status=Package.Status.READY)
    found = ready.filter(pk=pk).first()
    if found is None:
        raise NotVisible
    return found


def learnable(records: Iterable[EditRecord]) -> list[EditRecord]:
    """Return the records that may be learned from now, in their order."""
    asked = list(records)
    refused = refusals(asked)
    return [record for record in asked if record.pk not in refused]


def refusals(records: Collection[EditRecord]) -> dict[UUID, Refusal]:
    """Return why records may not be learned from now; those that are not in it may."""
    found: dict[UUID, Refusal] = {one.pk: Refusal.ERASED for one in records if one.erased_at}
    denied = _denied()
    if denied.people:
        persons = _records_with(denied.people, [record.pk for record in records])
        found |= {pk: Refusal.PERSON for pk in persons if pk not in found}
    if denied.notebooks:
        behind = notebooks_behind({record.output_id for record in records})
        for record in records:
            if record.pk in found:
                continue
            if record.notebook_id in denied.notebooks:
                found[record.pk] = Refusal.NOTEBOOK
            elif behind[record.output_id] & denied.notebooks:
                found[record.pk] = Refusal.UPSTREAM
    return found


def learnable_outputs(outputs: Collection[UUID]) -> set[UUID]:
    """Return those outputs whose own notebook and all before it may be learned from now.

    For what was said about an output (`Feedback`) where no record tells who wrote.
    """
    kept = set(Output.objects.filter(pk__in=outputs).values_list("pk", flat=True))
    denied = _denied().notebooks
    behind = notebooks_behind(kept) if denied else {}
    return {output for output in kept if not behind.get(output, set()) & denied}


def may_learn_from_person(user: User) -> bool:
    """Say whether the person lets what they write be learned from."""
    return not _denials().filter(subject_kind=Consent.Subject.USER, subject_id=user.pk).exists()


def may_learn_from_notebook(notebook_id: UUID) -> bool:
    """Say whether those who manage the notebook let it be learned from."""
    denials = _denials().filter(subject_kind=Consent.Subject.NOTEBOOK, subject_id=notebook_id)
    return not denials.exists()


def thumbs_of(user: User, outputs: Collection[UUID]) -> dict[UUID, Feedback]:
    """Return the person's own verdicts on these outputs."""
    thumbs = [Feedback.Kind.THUMBS_UP, Feedback.Kind.THUMBS_DOWN]
    given = Feedback.objects.filter(user=user, output__in=outputs, kind__in=thumbs)
    return {one.output_id: one for one in given}


@dataclass(frozen=True, kw_only=True)
class _Denied:
    people: set[UUID]
    notebooks: set[UUID]


def _denials() -> QuerySet[Consent]:
    return Consent.objects.filter(withdrawn_at__isnull=True)


def _denied() -> _Denied:
    rows = list(_denials().values_list("subject_kind", "subject_id"))
    return _Denied(
        people={pk for kind, pk in rows if kind == Consent.Subject.USER},
        notebooks={pk for kind, pk in rows if kind == Consent.Subject.NOTEBOOK},
    )


def _records_with(people: set[UUID], records: list[UUID]) -> set[UUID]:
    """Return those records in whose text or prompt one of the people wrote."""
    found: set[UUID] = set()
    for some in _batches(records):
        for model in (RecordEditor, PromptWriter):
            wrote = model.objects.filter(record__in=some, user__in=people)
            found.update(wrote.values_list("record", flat=True))
    return found


@dataclass(frozen=True, kw_only=True)
class _Made:
    """An output and what it was made from: cells by their key, of some the output that stood there."""

    pk: UUID
    key: str
    reads: dict[str, UUID | None]
    at: datetime


def notebooks_behind(outputs: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """Return, for each output, its notebook and all those from which it was made, however far back.

    An output names what it read (`Output.inputs`): cells, and where all of a cell's text was one
    output's, that output. Where people had written in it, every output that the cell ever had before
    may have left something, and passes its sources on.
    """
    made = _with_all_before(set(outputs))
    sources = _sources(made)
    behind = {pk: _named_by(one) for pk, one in made.items()}
    is_growing = True
    while is_growing:  # one round for the deepest chain if sources come first, as they mostly do
        is_growing = False
        for pk, before in sources.items():
            more = set().union(*(behind[source] for source in before)) - behind[pk]
            behind[pk] |= more
            is_growing = is_growing or bool(more)
    return {pk: behind.get(pk, set()) for pk in outputs}


def _named_by(one: _Made) -> set[UUID]:
    return {notebook for key in (one.key, *one.reads) if (notebook := _notebook_of(key))}


def _sources(made: dict[UUID, _Made]) -> dict[UUID, set[UUID]]:
    """Return the outputs that each was made from, the oldest first."""
    in_time = sorted(made.values(), key=lambda one: one.at)
    by_key: dict[str, list[_Made]] = {}
    for one in in_time:
        by_key.setdefault(one.key, []).append(one)
    sources: dict[UUID, set[UUID]] = {one.pk: set() for one in in_time}
    for one in in_time:
        for key, output in one.reads.items():
            if output is None:
                earlier = {source.pk for source in by_key.get(key, []) if source.at < one.at}
                sources[one.pk] |= earlier
            elif output in made:
                sources[one.pk].add(output)
    return sources


def _with_all_before(outputs: set[UUID]) -> dict[UUID, _Made]:
    """Return the outputs and whatever they may go back to: two queries for each step back."""
    made: dict[UUID, _Made] = {}
    ids, keys = set(outputs), set[str]()
    asked_ids, asked_keys = set(ids), set[str]()
    while ids or keys:
        fresh = [*_load("pk", ids), *_load("step_run__key", keys)]
        made |= {one.pk: one for one in fresh}
        reads = [item for one in fresh for item in one.reads.items()]
        ids = {output for _key, output in reads if output is not None} - asked_ids
        keys = {key for key, output in reads if output is None} - asked_keys
        asked_ids |= ids
        asked_keys |= keys
    return made


def _load(field: str, values: Collection[object]) -> list[_Made]:
    columns = ("pk", "step_run__key", "inputs", "created_at")
    return [
        _Made(
            pk=pk,
            key=key,
            reads={
                one["ref"]: UUID(one["output"]) if one.get("output") else None for one in inputs
            },
            at=at,
        )
        for some in _batches(values)
        for pk, key, inputs, at in Output.objects.filter(**{f"{field}__in": some}).values_list(
            *columns
        )
    ]


def _batches(values: Iterable[Value]) -> Iterable[list[Value]]:
    listed = list(values)
    return (listed[at : at + BATCH] for at in range(0, len(listed), BATCH))


def _notebook_of(key: str) -> UUID | None:
    """Return the notebook of a cell's key (`notebook:cell`); None for a step of something else."""
    try:
        return UUID(key.partition(":")[0])
    except ValueError:
        return None
