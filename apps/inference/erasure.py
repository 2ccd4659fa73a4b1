"""Forget what was asked and written: texts go, rows with their ids, hashes and counts stay.

What reads a text holds a copy of it in its own prompt, in whatever notebook it stands: those go, too.
Whoever calls says what still stands and may be kept.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from apps.inference import stops, transitions
from apps.inference.models import Checkpoint, Delivery, OutboxRow, Output, Run, StepRun
from apps.inference.specs import PHRASES, Subject

Stands = Callable[[str, dict[str, Any]], bool]  # role, segment -> whether it may stay
CHUNK = 200


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was erased."""

    outputs: list[UUID]
    prompts: int  # steps and outputs whose prompt is not whole any more


def nothing_stands(_role: str, _segment: dict[str, Any]) -> bool:
    """Keep no words."""
    return False


def stop_all(subject: Subject) -> None:
    """End every run that writes for the subject, so that nothing is added while it is erased."""
    for run in Run.objects.going_on().shown_to(subject):
        if transitions.request_cancel(run_id=run.pk, now=timezone.now()):
            transaction.on_commit(partial(stops.stop, run.pk))


def forget_subject(subject: Subject, *, keep: Collection[UUID], stands: Stands) -> Forgotten:
    """Forget what was written for the subject, but for these outputs and the words that stand."""
    steps = StepRun.objects.filter(topic=subject.topic)
    gone = list(
        Output.objects.filter(step_run__in=steps, erased_at__isnull=True)
        .exclude(pk__in=keep)
        .values_list("pk", flat=True)
    )
    forget_outputs(gone)
    prompts = _redact_steps(steps, stands)
    prompts += _redact_outputs(Output.objects.filter(step_run__in=steps), stands)
    Checkpoint.objects.filter(step__in=steps).delete()
    if stands is nothing_stands:
        steps.update(label="", error_data={})
    _forget_complaints(subject)
    return Forgotten(outputs=gone, prompts=prompts)


def forget_outputs(ids: Collection[UUID]) -> None:
    """Make tombstones of the outputs."""
    for some in _chunks(ids):
        found = Output.objects.filter(pk__in=some)
        _redact_outputs(found, nothing_stands)
        found.update(text="", erased_at=timezone.now())
        Checkpoint.objects.filter(step__outputs__in=some).delete()


def forget_reads(organization_id: UUID, *, mention: str, stands: Stands) -> tuple[int, list[UUID]]:
    """Redact every prompt of the organization that mentions an id; return how many, and their outputs."""
    here = Q(words__contains=mention)
    steps = StepRun.objects.filter(run__organization=organization_id)
    steps = steps.annotate(words=Cast("messages", TextField())).filter(here)
    outputs = Output.objects.filter(organization=organization_id)
    outputs = outputs.annotate(words=Cast("prompt", TextField())).filter(here)
    made = list(outputs.values_list("pk", flat=True))
    count = 0
    for some in _chunks(list(steps.values_list("pk", flat=True))):
        count += _redact_steps(StepRun.objects.filter(pk__in=some), stands)
    for some in _chunks(made):
        count += _redact_outputs(Output.objects.filter(pk__in=some), stands)
    return count, made


def forget_details(runs: Iterable[UUID]) -> int:
    """Forget what finished runs were asked, step by step; outputs keep what led to them."""
    steps = StepRun.objects.filter(run__in=list(runs))
    Checkpoint.objects.filter(step__in=steps).delete()
    _redact_steps(steps.filter(params__has_any_keys=PHRASES), nothing_stands)
    return steps.update(messages=[], error_data={})


def _forget_complaints(subject: Subject) -> None:
    """Forget what consumers said of what they could not take."""
    told = OutboxRow.objects.filter(subject_kind=subject.kind, subject_id=subject.id)
    Delivery.objects.filter(row__in=told).exclude(error="").update(error="")


def _redact_steps(steps: QuerySet[StepRun], stands: Stands) -> int:
    changed = []
    for step in steps.only("messages", "params").iterator(CHUNK):
        anew = _redacted(step.messages, stands), _without_phrases(step.params, stands)
        if anew != (step.messages, step.params):
            step.messages, step.params = anew
            changed.append(step)
    StepRun.objects.bulk_update(changed, ["messages", "params"], batch_size=CHUNK)
    return len(changed)


def _redact_outputs(outputs: QuerySet[Output], stands: Stands) -> int:
    changed = []
    for output in outputs.only("prompt", "params").iterator(CHUNK):
        anew = _redacted(output.prompt, stands), _without_phrases(output.params, stands)
        if anew != (output.prompt, output.params):
            output.prompt, output.params = anew
            changed.append(output)
    Output.objects.bulk_update(changed, ["prompt", "params"], batch_size=CHUNK)
    return len(changed)


def _redacted(messages: list[dict[str, Any]], stands: Stands) -> list[dict[str, Any]]:
    return [
        {
            **message,
            "segments": [
                segment
                if not segment.get("text") or stands(message["role"], segment)
                else {**segment, "text": ""}
                for segment in message["segments"]
            ],
        }
        for message in messages
    ]


def _without_phrases(params: dict[str, Any], stands: Stands) -> dict[str, Any]:
    """Return the parameters without the phrases that do not stand as words of a prompt would."""
    kept = {
        name: [one for one in params[name] if stands("user", {"kind": "text", "text": one})]
        for name in PHRASES
        if name in params
    }
    plain = {name: value for name, value in params.items() if name not in PHRASES}
    return {**plain, **{name: some for name, some in kept.items() if some}}


def _chunks(ids: Collection[UUID]) -> Iterable[list[UUID]]:
    listed = list(ids)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]
