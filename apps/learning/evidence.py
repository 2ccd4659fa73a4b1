"""Read what may be learned from out of the database, as examples with where they come from.

Only what everybody agrees to: a record that `selectors.refusals` does not refuse. A text that people passed
over, put down or had written anew has no record of its own; it counts once a record of the same cell and
the same prompt may be learned from, for that record knows whose words the prompt has.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from django.utils.crypto import salted_hmac

from apps.inference.models import Output
from apps.inference.specs import Source, Text, apply_filters, messages_from_json
from apps.learning import rules
from apps.learning.models import EditRecord, Feedback
from apps.learning.rules import ChatMessage, Example, Kind, LeftOut, Said, Settled, Written
from apps.learning.selectors import learnable_outputs, may_learn_from_person, refusals
from apps.organizations.models import Organization

CHUNK = 200  # outputs at once
PROMPT = tuple[str, str]  # a cell's key and the hash of all that its prompt was made of
CONSENT = ["people:not_denied", "notebook:not_denied", "sources:not_denied"]
# Why an output was not even looked at; why one taught nothing is said by `rules.LeftOut`.
NOT_ALLOWED, NOT_SETTLED, ERASED = "not_allowed", "not_settled", "erased"


@dataclass(frozen=True, kw_only=True)
class Line:
    """An example and where it comes from: one line in two files."""

    example: Example
    provenance: dict[str, Any]

    @property
    def split(self) -> str:
        """Return which part it belongs to: notebooks that know each other stay together."""
        return rules.split_of(self.provenance["split_group"])


@dataclass
class Evidence:
    """Goes through outputs once, the oldest first; afterwards it knows what was left out and why."""

    organization: Organization
    left_out: Counter[str] = field(default_factory=Counter)
    until: datetime | None = None  # of the newest fact that was looked at
    tell: Callable[[int, int], None] = lambda _done, _total: None  # how many outputs, of how many

    def __post_init__(self) -> None:
        self._groups = rules.groups_of(_links(self.organization))
        self._people: dict[uuid.UUID, bool] = {}
        self._seen: set[str] = set()

    def lines(self, outputs: QuerySet[Output]) -> Iterator[Line]:
        """Yield what the outputs teach, each example once."""
        ids = list(outputs.order_by("created_at", "pk").values_list("pk", flat=True))
        for start in range(0, len(ids), CHUNK):
            self.tell(start, len(ids))
            yield from self._chunk(ids[start : start + CHUNK])
        self.tell(len(ids), len(ids))

    def _chunk(self, ids: list[uuid.UUID]) -> Iterator[Line]:
        outputs = list(_loaded(ids))
        records = _records_around(outputs)
        refused = refusals([one for some in records.values() for one in some])
        allowed = learnable_outputs({one.pk for one in outputs} | _passed_over(outputs))
        for output in outputs:
            around = records.get(_prompt_key(output), [])
            vouching = [one for one in around if one.pk not in refused]
            if _has_holes(output):
                self.left_out[ERASED] += 1
            elif vouching and output.pk in allowed:
                yield from self._of(output, vouching, allowed)
            elif around:
                self.left_out[NOT_ALLOWED] += 1
            else:
                self.left_out[NOT_SETTLED] += 1

    def _of(
        self, output: Output, vouching: list[EditRecord], allowed: Collection[uuid.UUID]
    ) -> Iterator[Line]:
        own = [one for one in vouching if one.output_id == output.pk]
        record = strongest(own) if own else None
        said = [one for one in output.feedback.all() if self._may_use(one)]
        self._note_time(output, own, said)
        written = written_of(output)
        found, reason = rules.examples_of(
            written, _settled(record), _said(said, has_settled=record is not None)
        )
        self._leave_out(reason)
        for choice in said:
            if choice.over is not None and choice.over_id in allowed:
                pair, reason = rules.pair_of(written, written_of(choice.over))
                found += pair
                self._leave_out(reason)
        for example in rules.without_duplicates(found, self._seen):
            if example is None:
                self._leave_out(LeftOut.DUPLICATE)
                continue
            of_edit = record if example.kind is not Kind.KTO or example.label else None
            origin = _Origin(output=output, record=of_edit, voucher=record or vouching[0])
            people = {one.user_id for one in said if one.user_id}
            yield Line(example=example, provenance=self._provenance(example, origin, people))

    def _provenance(
        self, example: Example, origin: "_Origin", people: set[uuid.UUID]
    ) -> dict[str, Any]:
        output, record, place = origin.output, origin.record, origin.voucher
        editors = {one.user_id for one in place.editors.all()} if record else people
        notebook = str(place.notebook_id)
        return {
            "example_id": rules.dedupe_key(example)[:32],
            "org": str(self.organization.pk),
            "division": str(place.division_id) if place.division_id else None,
            "notebook": notebook,
            "snapshot_sha": record.final_sha256 if record else None,
            "run": str(output.step_run.run_id),
            "output": str(output.pk),
            "model_version": str(output.model_version_id),
            "brand_version": None,  # there are no brand voices yet
            "editors_hash": sorted(editors_hash(self.organization, one) for one in editors),
            "settle": record.settle if record else None,
            "distance": round(record.distance, 4) if record else None,
            "edit_class": example.edit_class.value if example.edit_class else None,
            "weight": example.weight,
            "consent": CONSENT,
            "split_group": self._groups.get(notebook, notebook),
        }

    def _may_use(self, said: Feedback) -> bool:
        if said.user_id is None or said.user is None:
            return True
        if said.user_id not in self._people:
            self._people[said.user_id] = may_learn_from_person(said.user)
        return self._people[said.user_id]

    def _leave_out(self, reason: LeftOut | None) -> None:
        if reason is not None:
            self.left_out[reason.value] += 1

    def _note_time(self, output: Output, own: list[EditRecord], said: list[Feedback]) -> None:
        times = [output.created_at, *(one.settled_at for one in own)]
        times += [one.created_at for one in said]
        self.until = max([*times, *([self.until] if self.until else [])])


@dataclass(frozen=True, kw_only=True)
class _Origin:
    output: Output
    record: EditRecord | None  # of the edit that the example tells of
    voucher: EditRecord  # by which the prompt may be used


def written_of(output: Output) -> Written:
    """Return the output as the rules see it."""
    return Written(
        id=str(output.pk),
        prompt=tuple(_chat(output)),
        text=output.text.strip(),
        finish_reason=output.finish_reason,
    )


def strongest(records: list[EditRecord]) -> EditRecord:
    """Return the record whose settling says most, the newest of several."""
    best = rules.strongest(one.settle for one in records)
    return max(
        (one for one in records if one.settle == best), key=lambda one: (one.settled_at, one.pk)
    )


def editors_hash(organization: Organization, user: uuid.UUID) -> str:
    """Return a name for a person that only this organization's files share, and nobody can go back on."""
    salt = f"learning.editors.{organization.pk}"
    return salted_hmac(salt, str(user), algorithm="sha256").hexdigest()[:32]


def _chat(output: Output) -> Iterator[ChatMessage]:
    for message in messages_from_json(output.prompt):
        parts = [
            apply_filters(part.apply, part.text) if isinstance(part, Source) else part.text
            for part in message.segments
            if isinstance(part, Source | Text)
        ]
        yield ChatMessage(role=message.role, content="".join(parts))


def _has_holes(output: Output) -> bool:
    """Say whether something that the model read was erased since, or stood empty even then."""
    return any(not part["text"] for message in output.prompt for part in message["segments"])


def _settled(record: EditRecord | None) -> Settled | None:
    if record is None:
        return None
    return Settled(
        settle=record.settle, final_text=record.final_text.strip(), distance=record.distance
    )


def _said(said: list[Feedback], *, has_settled: bool) -> Said:
    kinds = {one.kind for one in said}
    return Said(
        thumbs_down=Feedback.Kind.THUMBS_DOWN in kinds,
        regenerated=Feedback.Kind.REGENERATE in kinds,
        adopted=has_settled or Feedback.Kind.ACCEPT in kinds,
    )


def _loaded(ids: list[uuid.UUID]) -> QuerySet[Output]:
    said = Feedback.objects.select_related("user", "over").order_by("created_at", "pk")
    return (
        Output.objects.filter(pk__in=ids)
        .select_related("step_run")
        .prefetch_related(Prefetch("feedback", said))
        .order_by("created_at", "pk")
    )


def _prompt_key(output: Output) -> PROMPT:
    return output.step_run.key, output.input_hash


def _records_around(outputs: list[Output]) -> dict[PROMPT, list[EditRecord]]:
    """Return the records of outputs of the same cell and the same prompt, the oldest first."""
    wanted = {_prompt_key(output) for output in outputs}
    keys, hashes = {key for key, _hash in wanted}, {hashed for _key, hashed in wanted}
    same = Q(output__step_run__key__in=keys, output__input_hash__in=hashes)
    records = (
        EditRecord.objects.filter(same, organization=outputs[0].organization_id)
        .select_related("output__step_run")
        .prefetch_related("editors")
        .order_by("settled_at", "pk")
    )
    found: dict[PROMPT, list[EditRecord]] = {}
    for record in records:
        key = _prompt_key(record.output)
        if key in wanted:
            found.setdefault(key, []).append(record)
    return found


def _passed_over(outputs: list[Output]) -> set[uuid.UUID]:
    return {said.over_id for output in outputs for said in output.feedback.all() if said.over_id}


def _links(organization: Organization) -> Iterator[tuple[str, str]]:
    """Yield pairs of notebooks that know each other: by reading, or because text moved or was copied."""
    outputs = Output.objects.filter(organization=organization)
    for key, inputs in outputs.values_list("step_run__key", "inputs").iterator():
        here = key.partition(":")[0]
        yield here, here
        for one in inputs:
            yield here, one["ref"].partition(":")[0]
    records = EditRecord.objects.filter(organization=organization)
    for key, notebook in records.values_list("output__step_run__key", "notebook_id").iterator():
        yield key.partition(":")[0], str(notebook)
