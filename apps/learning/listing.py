"""Which outputs the page "Learning" lists, page by page, and how much there is.

One road for page and download: `outputs_of` is the filter, whoever asks. Nothing here counts further than
COUNT_LIMIT, so that a page stays quick beside a hundred thousand outputs.
"""

import uuid
from collections.abc import Callable, Container
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from typing import Any

from django.db.models import Exists, F, OuterRef, Prefetch, Q, QuerySet, Sum

from apps.inference.models import Output
from apps.learning.models import EditRecord, Feedback
from apps.learning.selectors import refusals
from apps.learning.sight import Sight

PER_PAGE = 25
STRIDE = 25  # outputs read at once
COUNT_LIMIT = 10_000
SCAN_LIMIT = 1_000  # outputs that one page looks through for what may be learned from, or not
OPEN = "open"  # in place of a settle event: nothing has settled yet
THUMBS = {"up": Feedback.Kind.THUMBS_UP, "down": Feedback.Kind.THUMBS_DOWN}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for. Days are days of UTC, on which the model wrote, both included."""

    q: str = ""
    division: uuid.UUID | None = None
    workspace: uuid.UUID | None = None
    settle: str = ""
    thumbs: str = ""
    kept_from: int | None = None  # per cent
    kept_until: int | None = None
    since: date | None = None
    until: date | None = None
    learnable: str = ""  # yes | no

    @property
    def is_narrowed(self) -> bool:
        """Say whether anything was asked for."""
        return any(getattr(self, field.name) not in ("", None) for field in fields(self))

    def as_json(self) -> dict[str, str]:
        """Return what was asked for, for the audit log and the manifest."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) for name, value in named.items() if value not in ("", None)}

    @classmethod
    def from_json(cls, asked: dict[str, str]) -> "Wanted":
        """Return what `as_json` was made of."""
        readers: dict[str, Callable[[str], Any]] = {
            "division": uuid.UUID,
            "workspace": uuid.UUID,
            "kept_from": int,
            "kept_until": int,
            "since": date.fromisoformat,
            "until": date.fromisoformat,
        }
        return cls(**{name: readers.get(name, str)(value) for name, value in asked.items()})

    def records(self) -> Q:
        """Return the conditions on the edit record."""
        found = Q()
        if self.division:
            found &= Q(division=self.division)
        if self.workspace:
            found &= Q(workspace=self.workspace)
        if self.settle and self.settle != OPEN:
            found &= Q(settle=self.settle)
        if self.kept_from is not None:
            found &= Q(kept_chars__gte=F("output_chars") * self.kept_from / 100.0)
        if self.kept_until is not None:
            found &= Q(kept_chars__lte=F("output_chars") * self.kept_until / 100.0)
        return found


@dataclass(frozen=True, kw_only=True)
class OutputPage:
    """Some outputs, the newest first, and where the next page begins."""

    outputs: list[Output]
    next_before: str


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How much there is; counts end at COUNT_LIMIT."""

    outputs: int
    settled: int
    kept_percent: int | None  # of the characters of the settled outputs; None before the first

    @property
    def limit(self) -> int:
        """Return where counting ends."""
        return COUNT_LIMIT


def records_of(sight: Sight, wanted: Wanted) -> QuerySet[EditRecord]:
    """Return the edit records in sight that fit."""
    return EditRecord.objects.filter(sight.records(), wanted.records())


def outputs_of(sight: Sight, wanted: Wanted) -> QuerySet[Output]:
    """Return the outputs in sight that fit."""
    found = Output.objects.filter(organization=sight.organization)
    own = records_of(sight, wanted).filter(output=OuterRef("pk"))
    if wanted.settle == OPEN:
        found = found.filter(~Exists(EditRecord.objects.filter(output=OuterRef("pk"))))
    elif wanted.records():
        found = found.filter(Exists(own))
    if (
        not sight.whole
    ):  # also when only what has not settled is asked for: that is nobody's division
        found = found.filter(Exists(own))
    if wanted.thumbs in THUMBS:
        given = Feedback.objects.filter(output=OuterRef("pk"), kind=THUMBS[wanted.thumbs])
        found = found.filter(Exists(given))
    return _within(found, wanted).filter(_has_words(own, wanted.q))


def page_of(sight: Sight, wanted: Wanted, before: str) -> OutputPage:
    """Return the page that begins after the key of an output; an unreadable key begins at the top.

    Whether something may be learned from is no column: consent is asked each time. A page of those that
    may, or may not, is looked for among SCAN_LIMIT outputs, and may come out short.
    """
    scanned = SCAN_LIMIT if wanted.learnable else PER_PAGE
    found = with_what_became(outputs_of(sight, wanted), records_of(sight, wanted))
    if key := _parse(before):
        at, pk = key
        found = found.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk))
    shown: list[Output] = []
    for start in range(0, scanned, STRIDE):
        rows = list(found[start : start + STRIDE + 1])
        fitting = _fitting(rows[:STRIDE], wanted.learnable)
        last = rows[:STRIDE][-1:]
        if len(shown) + len(fitting) > PER_PAGE:
            shown += fitting[: PER_PAGE - len(shown)]
            return OutputPage(outputs=shown, next_before=_key_of(shown[-1]))
        shown += fitting
        if len(rows) <= STRIDE:
            return OutputPage(outputs=shown, next_before="")
    return OutputPage(outputs=shown, next_before=_key_of(last[0]))


def _fitting(outputs: list[Output], learnable: str) -> list[Output]:
    """Return those that may be learned from (yes), or those that may not (no); all when not asked."""
    if not learnable:
        return outputs
    refused = refusals([record for output in outputs for record in output.edit_records.all()])
    return [one for one in outputs if is_learnable(one, refused) == (learnable == "yes")]


def is_learnable(output: Output, refused: Container[uuid.UUID]) -> bool:
    """Say whether something that became of the output (loaded by `with_what_became`) may be learned from."""
    ended = output.finish_reason == "stop" and bool(output.text.strip())
    return ended and any(record.pk not in refused for record in output.edit_records.all())


def with_what_became(outputs: QuerySet[Output], records: QuerySet[EditRecord]) -> QuerySet[Output]:
    """Return the outputs, the newest first, with all that a row or a detail page says of them."""
    told = records.order_by("-settled_at", "-pk").select_related("division", "workspace")
    said = Feedback.objects.order_by("created_at", "pk").select_related("user")
    return (
        outputs.select_related("step_run__deployment", "step_run__run", "model_version__family")
        .prefetch_related(
            Prefetch("edit_records", told.prefetch_related("editors__user")),
            Prefetch("feedback", said),
        )
        .order_by("-created_at", "-pk")
    )


def summary_of(sight: Sight, wanted: Wanted) -> Summary:
    """Return how much fits, and how much of it people kept."""
    outputs = outputs_of(sight, wanted)
    settled = EditRecord.objects.filter(sight.records(), output=OuterRef("pk"))
    newer = EditRecord.objects.filter(
        sight.records(), output=OuterRef("output"), settled_at__gt=OuterRef("settled_at")
    )
    last = records_of(sight, wanted).filter(~Exists(newer))
    if wanted.is_narrowed:
        last = last.filter(output__in=outputs.order_by().values("pk"))
    kept = last.order_by("-settled_at")[:COUNT_LIMIT].aggregate(
        kept=Sum("kept_chars"), written=Sum("output_chars")
    )
    return Summary(
        outputs=outputs[: COUNT_LIMIT + 1].count(),
        settled=outputs.filter(Exists(settled))[: COUNT_LIMIT + 1].count(),
        kept_percent=round(100 * kept["kept"] / kept["written"]) if kept["written"] else None,
    )


def _within(outputs: QuerySet[Output], wanted: Wanted) -> QuerySet[Output]:
    if wanted.since:
        outputs = outputs.filter(created_at__gte=datetime.combine(wanted.since, time.min, UTC))
    if wanted.until:
        outputs = outputs.filter(created_at__lte=datetime.combine(wanted.until, time.max, UTC))
    return outputs


def _has_words(own: QuerySet[EditRecord], words: str) -> Q:
    """Return the condition that the words stand in the text, in its final form, or in its names."""
    if not words:
        return Q()
    there = (
        Q(final_text__icontains=words)
        | Q(cell_name__icontains=words)
        | Q(notebook_title__icontains=words)
    )
    in_output = Q(text__icontains=words) | Q(step_run__label__icontains=words)
    return in_output | Q(Exists(own.filter(there)))


def _key_of(output: Output) -> str:
    return f"{output.created_at.isoformat()}_{output.pk}"


def _parse(before: str) -> tuple[datetime, uuid.UUID] | None:
    at, _bar, pk = before.partition("_")
    try:
        moment, key = datetime.fromisoformat(at), uuid.UUID(pk)
        return (moment.astimezone(UTC), key) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
