"""What a page shows of runs: how they stand, the words so far, the place in the line."""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.inference import quotas
from apps.inference.events import units
from apps.inference.models import (
    STEP_DONE,
    Checkpoint,
    Output,
    Run,
    RunStatus,
    StepRun,
)
from apps.inference.specs import Subject
from apps.organizations.models import Organization


@dataclass(frozen=True, kw_only=True)
class LiveText:
    """One variant as far as it is written; following deltas begin at `seq`."""

    variant: int
    text: str
    seq: int  # length in UTF-16 units
    output: str | None  # id once committed


@dataclass(frozen=True, kw_only=True)
class LiveStep:
    """One step as a viewer sees it."""

    step: str
    key: str
    status: str
    error: str
    variants: int
    texts: list[LiveText]


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """One run as a viewer sees it."""

    run: str
    status: str
    position: int  # in the line; 0 when it is running
    held: str  # why it waits although there is a place, in words
    started_by: str
    steps: list[LiveStep]


def live_state(subject: Subject) -> list[dict[str, Any]]:
    """Return the unfinished runs that write for the subject and the last one, as JSON, oldest first.

    Of each run only the steps that are shown to the subject's viewers: a run may write elsewhere too.
    """
    shown = sorted(_shown(subject), key=lambda run: run.pk.int)
    steps: dict[UUID, list[StepRun]] = {run.pk: [] for run in shown}
    here = StepRun.objects.filter(run__in=shown, topic=subject.topic)
    for step in here.select_related("cached_output"):
        steps[step.run_id].append(step)
    texts = _texts([step for some in steps.values() for step in some])
    return [asdict(_live(run, steps[run.pk], texts)) for run in shown]


def _shown(subject: Subject) -> set[Run]:
    runs = Run.objects.select_related("actor")
    last = runs.of(subject).order_by("-created_at", "-pk")[:1]
    written = StepRun.objects.filter(topic=subject.topic).order_by("-queued_at")[:1]
    last_here = runs.filter(pk__in=list(written.values_list("run", flat=True)))
    newest = sorted([*last, *last_here], key=lambda run: run.pk.int)[-1:]
    return {*runs.going_on().shown_to(subject), *newest}


def _texts(steps: list[StepRun]) -> dict[UUID, list[LiveText]]:
    found: dict[UUID, list[LiveText]] = {}
    for output in Output.objects.filter(step_run__in=steps).order_by("variant"):
        found.setdefault(output.step_run_id, []).append(_committed(output))
    for row in Checkpoint.objects.filter(step__in=steps).order_by("variant"):
        so_far = LiveText(variant=row.variant, text=row.text, seq=units(row.text), output=None)
        found.setdefault(row.step_id, []).append(so_far)
    return found


def _committed(output: Output) -> LiveText:
    return LiveText(
        variant=output.variant, text=output.text, seq=units(output.text), output=str(output.pk)
    )


def _live(run: Run, steps: list[StepRun], texts: dict[UUID, list[LiveText]]) -> LiveRun:
    return LiveRun(
        run=str(run.pk),
        status=run.status,
        position=queue_position(run),
        held=held_by(run),
        started_by=str(run.actor) if run.actor else "",
        steps=[
            LiveStep(
                step=str(step.pk),
                key=step.key,
                status=step.status,
                error=step.error,
                variants=step.variants,
                texts=[_committed(step.cached_output)]
                if step.cached_output
                else texts.get(step.pk, []),
            )
            for step in steps
        ],
    )


def queue_position(run: Run) -> int:
    """Return the place in the organization's line, from 1; 0 once the run has begun."""
    if run.status != RunStatus.QUEUED:
        return 0
    line = Run.objects.waiting_line(run.organization_id).values_list("pk", flat=True)
    ids = list(line)
    return ids.index(run.pk) + 1 if run.pk in ids else 0


def held_by(run: Run) -> str:
    """Say why the run waits for more than a place in the line; empty when it does not."""
    if run.status != RunStatus.QUEUED:
        return ""
    standing = quotas.held_back([run], timezone.now()).get(run.pk)
    return standing.words if standing else ""


def queue_depth(organization: Organization) -> int:
    """Return how many runs of the organization wait for a place."""
    return Run.objects.waiting_line(organization.pk).count()


def latest_output(organization: Organization, key: str, input_hash: str) -> Output | None:
    """Return the newest output that the key's step had for equal inputs (its first variant)."""
    known = Output.objects.filter(
        organization=organization,
        step_run__key=key,
        step_run__status__in=STEP_DONE,
        input_hash=input_hash,
        variant=0,
        erased_at__isnull=True,
    )
    return known.order_by("-created_at").first()


def outputs_by_step(steps: list[StepRun]) -> dict[str, dict[int, Output]]:
    """Return the committed outputs of the steps, by key and variant (one query)."""
    found: dict[str, dict[int, Output]] = {step.key: {} for step in steps}
    key_of = {step.pk: step.key for step in steps}
    for output in Output.objects.filter(step_run__in=steps):
        found[key_of[output.step_run_id]][output.variant] = output
    for step in steps:
        if step.cached_output is not None:
            found[step.key][0] = step.cached_output
    return found
