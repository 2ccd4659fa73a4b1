"""Which runs the console lists, page by page. Of content it shows nothing but titles one may see anyway."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.console.figures import seconds
from apps.inference import failures, quotas
from apps.inference.models import STEP_DONE, Run, RunStatus, StepRun
from apps.notebooks.models import Notebook
from apps.notebooks.selectors import reach_of
from apps.organizations.models import Organization

PER_PAGE = 25
NOTEBOOK = "notebook"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for."""

    status: str = ""
    actor: uuid.UUID | None = None
    division: uuid.UUID | None = None

    @property
    def is_narrowed(self) -> bool:
        """Say whether anything was asked for."""
        return bool(self.status or self.actor or self.division)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run as the list shows it."""

    run: Run
    notebook: Notebook | None  # None: the reader may not open it
    steps: int
    done: int
    tokens: int
    waits_for: str  # a used-up quota, in words
    error: str  # the kind of a step's, without what it may quote

    @property
    def took(self) -> str:
        """Return how long it has gone on; empty before it began."""
        if self.run.started_at is None:
            return ""
        end = self.run.finished_at or timezone.now()
        return seconds(max(0.0, (end - self.run.started_at).total_seconds()))


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some runs, the newest first, and where the next page begins."""

    rows: list[Row]
    next_before: str


def page_of(reader: User, organization: Organization, wanted: Wanted, *, before: str = "") -> Page:
    """Return the page after the key of a run; an unreadable key begins at the top."""
    runs = _runs(organization, wanted)
    if key := _parse(before):
        at, pk = key
        runs = runs.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk))
    found = list(runs.order_by("-created_at", "-pk")[: PER_PAGE + 1])
    shown = found[:PER_PAGE]
    return Page(
        rows=rows_of(reader, organization, shown),
        next_before=_key_of(shown[-1]) if len(found) > PER_PAGE else "",
    )


def rows_of(reader: User, organization: Organization, runs: list[Run]) -> list[Row]:
    """Return the runs with what the list says of them, in a fixed number of queries."""
    steps = StepRun.objects.filter(run__in=runs).order_by().values("run")
    counted = {
        one["run"]: one
        for one in steps.annotate(
            steps=Count("pk"),
            done=Count("pk", filter=Q(status__in=STEP_DONE)),
            tokens=Sum("prompt_tokens") + Sum("new_tokens"),
            error_code=Max("error_code"),
        )
    }
    titles = visible(reader, organization, [run.subject.topic for run in runs])
    held = quotas.held_back([run for run in runs if run.status == RunStatus.QUEUED], timezone.now())
    rows = []
    for run in runs:
        sums: Mapping[str, Any] = counted.get(run.pk, {})
        rows.append(
            Row(
                run=run,
                notebook=titles.get(run.subject.topic),
                steps=sums.get("steps", 0),
                done=sums.get("done", 0),
                tokens=sums.get("tokens") or 0,
                waits_for=held[run.pk].words if run.pk in held else "",
                error=kind_of_error(sums.get("error_code") or ""),
            )
        )
    return rows


def kind_of_error(code: str) -> str:
    """Return why a step was not written, without the reason, which may quote a prompt or a name."""
    general = {"reason": "", "source": "…", "times": _("several")}
    return failures.words(code, general).removesuffix(": ")


def visible(reader: User, organization: Organization, topics: Iterable[str]) -> dict[str, Notebook]:
    """Return those notebooks behind the topics that the reader may open."""
    ids = {pk for kind, _dot, pk in (topic.partition(".") for topic in topics) if kind == NOTEBOOK}
    readable = [pk for pk in ids if _is_id(pk)]
    if not readable:
        return {}
    found = reach_of(reader, organization).visible().filter(pk__in=readable)
    return {f"{NOTEBOOK}.{one.pk}": one for one in found}


def _runs(organization: Organization, wanted: Wanted) -> QuerySet[Run]:
    runs = Run.objects.filter(organization=organization).select_related("actor", "division")
    if wanted.status:
        runs = runs.filter(status=wanted.status)
    if wanted.actor:
        runs = runs.filter(actor=wanted.actor)
    if wanted.division:
        runs = runs.filter(division=wanted.division)
    return runs


def _key_of(run: Run) -> str:
    return f"{run.created_at.isoformat()}_{run.pk}"


def _parse(before: str) -> tuple[datetime, uuid.UUID] | None:
    at, _bar, pk = before.partition("_")
    try:
        moment, key = datetime.fromisoformat(at), uuid.UUID(pk)
        return (moment.astimezone(UTC), key) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
