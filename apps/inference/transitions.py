"""The named transitions of runs and steps: each one a short transaction with a condition.

Every transition that ends or begins something locks the run's row first, then the steps in the order of
their ids, so that two processes never wait for each other. A worker's word counts only with the attempt
and the owner that its claim wrote: that is the fence.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from apps.inference import admission, events, failures, gates, graph, outbox, quotas, wake
from apps.inference.conf import tempo
from apps.inference.failures import Failure
from apps.inference.faults import faultpoint
from apps.inference.models import (
    STEP_DONE,
    STEP_HELD,
    STEP_OVER,
    Checkpoint,
    OutboxRow,
    Output,
    Run,
    RunStatus,
    StepRun,
    StepStatus,
)
from apps.organizations import audit

NOT_HELD: dict[str, Any] = {"lease_owner": "", "lease_until": None}


def _locked(run_id: UUID | str) -> Run | None:
    return Run.objects.select_for_update(no_key=True).filter(pk=run_id).first()


def _lock_steps(steps: QuerySet[StepRun]) -> list[UUID]:
    """Lock the rows in the order of their ids and return the ids."""
    return list(steps.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def claim(*, run_id: UUID | str, pool: str, owner: str, now: datetime) -> list[StepRun]:
    """Take the run's next stage of the pool; return its steps, sources first. Empty: nothing to do."""
    run = _locked(run_id)
    if run is None or run.status != RunStatus.RUNNING:
        return []
    if not gates.is_open(run, now):
        _withdraw(run, now)
        return []
    steps = {one.key: one for one in run.steps.select_related("deployment__variant__version")}
    keys = graph.stage(wake.nodes(steps.values()), pool)
    held = {
        "status": StepStatus.RUNNING,
        "lease_owner": owner,
        "lease_until": now + timedelta(seconds=tempo().lease_s),
        "heartbeat_at": now,
    }
    waiting = run.steps.filter(key__in=keys, status=StepStatus.QUEUED)
    waiting.update(attempt=F("attempt") + 1, started_at=Coalesce(F("started_at"), now), **held)
    mine = [steps[key] for key in keys]
    for step in mine:  # what was written is what we know: the run's row is locked
        step.attempt += 1
        step.run, step.status, step.lease_owner = run, StepStatus.RUNNING, owner
        if not set(keys).intersection(step.depends_on):
            events.step_changed(run, step)
    return mine


def _withdraw(run: Run, now: datetime) -> None:
    """End a run that waited too long: whoever began it may not write there any more."""
    _cancel(run, now, failure=Failure(code=failures.NOT_ALLOWED))
    data = {"because": failures.NOT_ALLOWED}
    audit.record(
        verb="run.stopped", actor=None, organization=run.organization, target=run, data=data
    )


@transaction.atomic
def renew(*, owner: str, now: datetime) -> set[UUID]:
    """Prolong everything that the owner holds; return what that still is."""
    mine = StepRun.objects.filter(lease_owner=owner, status__in=STEP_HELD)
    ids = _lock_steps(mine)
    StepRun.objects.filter(pk__in=ids).update(
        heartbeat_at=now, lease_until=now + timedelta(seconds=tempo().lease_s)
    )
    return set(ids)


@transaction.atomic
def begin_streaming(*, step: StepRun, now: datetime) -> bool:
    """Note that the first words have come; False when the step is somebody else's by now."""
    changed = (
        _fenced(step)
        .filter(status=StepStatus.RUNNING)
        .update(status=StepStatus.STREAMING, first_token_at=Coalesce(F("first_token_at"), now))
    )
    if changed:
        step.status = StepStatus.STREAMING
        events.step_changed(step.run, step)
    return bool(changed)


def _fenced(step: StepRun) -> QuerySet[StepRun]:
    return StepRun.objects.filter(
        pk=step.pk, attempt=step.attempt, lease_owner=step.lease_owner, status__in=STEP_HELD
    )


@transaction.atomic
def save_checkpoints(*, owner: str, rows: Iterable[Checkpoint]) -> None:
    """Keep what was written so far of the steps that the owner still holds."""
    rows = list(rows)
    mine = StepRun.objects.filter(
        pk__in=[row.step_id for row in rows], lease_owner=owner, status__in=STEP_HELD
    )
    held = set(_lock_steps(mine))
    Checkpoint.objects.bulk_create(
        [row for row in rows if row.step_id in held],
        update_conflicts=True,
        unique_fields=["step", "variant"],
        update_fields=["attempt", "text", "token_ids", "saved_at"],
    )


@transaction.atomic
def commit(*, step: StepRun, output: Output, now: datetime) -> Output | None:
    """Commit a variant's output; None when the step is not ours any more."""
    run = _locked(step.run_id)
    if run is None:
        return None
    # The run's row is locked: nobody commits another variant in between.
    complete = step.variants == 1 or step.outputs.count() == step.variants - 1
    changes: dict[str, Any] = {
        "prompt_tokens": output.prompt_tokens,
        "new_tokens": F("new_tokens") + output.new_tokens,
        "input_hash": output.input_hash,
        "heartbeat_at": now,
        "first_token_at": Coalesce(F("first_token_at"), now),
    }
    if complete:
        changes |= {"status": StepStatus.SUCCEEDED, "finished_at": now, **NOT_HELD}
    if not _fenced(step).update(**changes):
        return None
    output.save(force_insert=True)
    quotas.spend(run=run, output=output)
    Checkpoint.objects.filter(step=step, variant=output.variant).delete()
    outbox.add(run=run, kind=OutboxRow.Kind.OUTPUT_COMMITTED, payload=output_payload(step, output))
    if complete:
        step.status = StepStatus.SUCCEEDED
        events.step_changed(run, step)
    faultpoint("inside_commit")
    return output


def output_payload(step: StepRun, output: Output) -> dict[str, Any]:
    """Return what consumers are told of an output (or of one that was known already)."""
    return {
        "run": str(step.run_id),
        "step": str(step.pk),
        "key": step.key,
        "output": str(output.pk),
        "variant": output.variant,
        "variants": step.variants,
        "cached": step.status == StepStatus.CACHED,
        "context": step.context,
    }


@transaction.atomic
def fail(*, step: StepRun, failure: Failure, now: datetime) -> bool:
    """End a step that we hold with a reason; what reads it ends too. False when it is not ours."""
    # A step that was never begun did not fail itself: only its source did.
    is_own = failure.code not in {failures.SOURCE_FAILED, failures.SOURCE_ELSEWHERE}
    status = StepStatus.FAILED if is_own else StepStatus.CANCELLED
    run = _locked(step.run_id)
    if run is None or not _end(_fenced(step), status, now, failure=failure):
        return False
    _tell(run, [step.pk])
    _settle(run, now)
    return True


def _end(
    steps: QuerySet[StepRun], status: str, now: datetime, *, failure: Failure | None = None
) -> int:
    return steps.update(
        status=status,
        error_code=failure.code if failure else "",
        error_data=dict(failure.data) if failure else {},
        finished_at=now,
        **NOT_HELD,
    )


def _tell(run: Run, ids: Iterable[UUID]) -> None:
    for step in StepRun.objects.filter(pk__in=list(ids)):
        events.step_changed(run, step)


@transaction.atomic
def leave(*, run_id: UUID | str, owner: str, now: datetime) -> bool:
    """Let go of what the owner still holds, as a worker does that ends; say whether the run is over.

    The steps wait again, and it costs them no try.
    """
    run = _locked(run_id)
    if run is None:
        return True
    ids = _lock_steps(run.steps.filter(lease_owner=owner, status__in=STEP_HELD))
    if ids:
        StepRun.objects.filter(pk__in=ids).update(status=StepStatus.QUEUED, **NOT_HELD)
        _tell(run, ids)
    return _settle(run, now)


@transaction.atomic
def request_cancel(*, run_id: UUID | str, now: datetime) -> bool:
    """End a run at once, whoever holds its steps. False when it is over already.

    A worker that still writes finds its lease gone: nothing that it says counts from now on.
    """
    run = _locked(run_id)
    if run is None or run.is_over:
        return False
    _cancel(run, now)
    return True


def _cancel(run: Run, now: datetime, *, failure: Failure | None = None) -> None:
    run.cancel_requested_at = now
    Run.objects.filter(pk=run.pk).update(cancel_requested_at=now)
    ids = _lock_steps(run.steps.exclude(status__in=STEP_OVER))
    _end(StepRun.objects.filter(pk__in=ids), StepStatus.CANCELLED, now, failure=failure)
    _tell(run, ids)
    _settle(run, now)


def silent(now: datetime, gone: Iterable[str]) -> Q:
    """Return what picks the held steps whose worker has not spoken in time, or is known to be gone.

    A lease that ends later than any can was written before the clock was put back.
    """
    lease = timedelta(seconds=tempo().lease_s)
    is_late = Q(lease_until__lt=now) | Q(lease_until__gt=now + 2 * lease)
    return Q(is_late | Q(lease_owner__in=list(gone)), status__in=STEP_HELD)


@transaction.atomic
def expire(*, run_id: UUID | str, now: datetime, gone: Iterable[str] = ()) -> int:
    """Take steps back whose worker has not spoken for too long, or is known to be gone.

    Returns how many. A death counts only against steps that the worker could be at: those whose
    sources were done.
    """
    run = _locked(run_id)
    if run is None:
        return 0
    steps = list(run.steps.all())
    ids = set(_lock_steps(run.steps.filter(silent(now, gone))))
    done = {step.key for step in steps if step.status in STEP_DONE}
    for step in steps:
        if step.pk not in ids:
            continue
        mine = StepRun.objects.filter(pk=step.pk)
        deaths = step.deaths + (1 if done.issuperset(step.depends_on) else 0)
        if deaths >= tempo().attempts:
            failure = Failure(code=failures.WORKER_LOST, data={"times": deaths})
            mine.update(deaths=deaths)
            _end(mine, StepStatus.FAILED, now, failure=failure)
        else:
            mine.update(status=StepStatus.QUEUED, deaths=deaths, **NOT_HELD)
    _tell(run, ids)
    _settle(run, now)
    return len(ids)


@transaction.atomic
def settle(*, run_id: UUID | str, now: datetime) -> bool:
    """Draw the consequences of what has ended; return whether the run is over with it."""
    run = _locked(run_id)
    return run is not None and _settle(run, now)


def _settle(run: Run, now: datetime) -> bool:
    """End what can no longer be written; close the run when nothing is left."""
    if run.is_over:
        return True
    steps = list(run.steps.only("run", "key", "label", "topic", "pool", "status", "depends_on"))
    _end_readers(run, steps, now)
    if any(step.status not in STEP_OVER for step in steps):
        return False
    _close(run, _outcome(run, steps), now)
    return True


def _end_readers(run: Run, steps: list[StepRun], now: datetime) -> None:
    """End the waiting readers of what failed or was stopped, each with the source's name."""
    by_key = {step.key: step for step in steps}
    for source in steps:
        if source.status not in {StepStatus.FAILED, StepStatus.CANCELLED}:
            continue
        readers = graph.readers_of(wake.nodes(steps), [source.key])
        waiting = [by_key[key] for key in readers if by_key[key].status == StepStatus.QUEUED]
        if not waiting:
            continue
        ids = _lock_steps(run.steps.filter(pk__in=[step.pk for step in waiting]))
        for is_elsewhere in {step.topic != source.topic for step in waiting}:
            because = failures.because_of(source.label or source.key, is_elsewhere=is_elsewhere)
            some = [one.pk for one in waiting if (one.topic != source.topic) is is_elsewhere]
            _end(StepRun.objects.filter(pk__in=some), StepStatus.CANCELLED, now, failure=because)
        for step in waiting:
            step.status = StepStatus.CANCELLED
        _tell(run, ids)


def _outcome(run: Run, steps: list[StepRun]) -> str:
    if run.cancel_requested_at:
        return RunStatus.CANCELLED
    is_whole = all(step.status in STEP_DONE for step in steps)
    return RunStatus.SUCCEEDED if is_whole else RunStatus.FAILED


def _close(run: Run, status: str, now: datetime) -> None:
    closed = Run.objects.filter(pk=run.pk, status__in=[RunStatus.QUEUED, RunStatus.RUNNING]).update(
        status=status, finished_at=now
    )
    if not closed:
        return
    has_moved = run.status == RunStatus.QUEUED  # and so has everybody behind it
    run.status, run.finished_at = status, now
    outbox.add(
        run=run,
        kind=OutboxRow.Kind.RUN_FINISHED,
        payload={"run": str(run.pk), "status": str(status), "trigger": run.trigger},
    )
    events.run_changed(run)
    admit: Callable[[], object] = partial(
        admission.admit, organization_id=run.organization_id, now=now, has_moved=has_moved
    )
    transaction.on_commit(admit, robust=True)
