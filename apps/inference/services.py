"""Start, stop and repeat runs. Whoever calls has checked the person's rights."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.catalog import selectors as catalog
from apps.catalog import services as catalog_services
from apps.catalog.models import DEFAULT_POOL, WRITER, Deployment
from apps.core.errors import DomainError
from apps.inference import (
    admission,
    events,
    failures,
    graph,
    outbox,
    reconciler,
    selectors,
    stops,
    transitions,
    wake,
)
from apps.inference.models import (
    STEP_DONE,
    OutboxRow,
    Output,
    Run,
    RunStatus,
    StepRun,
    StepStatus,
)
from apps.inference.specs import (
    PromptMessage,
    Segment,
    Source,
    StepOutput,
    StepSpec,
    Subject,
    input_hash,
    messages_from_json,
    messages_to_json,
    params_from_json,
    params_to_json,
)
from apps.organizations import audit
from apps.organizations.models import Division, Organization

SEED_LIMIT = 2**31  # what every engine takes


class NothingToRun(DomainError):
    """A run was to begin without a step."""


class RunGoesOn(DomainError):
    """A run cannot be repeated while it goes on."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """Why a run begins."""

    idempotency_key: str  # the same twice is the same run
    trigger: str = "update"
    retry_of: Run | None = None
    division: Division | None = None  # whose tokens it spends


def start_run(
    *,
    organization: Organization,
    actor: User | None,
    subject: Subject,
    steps: list[StepSpec],
    start: Start,
) -> Run:
    """Begin the steps as one run, or return the run that the same key has begun before.

    Above the limits the run waits in line (`selectors.queue_position`); nothing is refused silently.

    Raises:
        NothingToRun: There are no steps.
        StepsDoNotFit: They wait for each other, or read steps that are not among them.
    """
    if not steps:
        raise NothingToRun(_("Wanted at least one cell to write, got none"))
    by_key = {spec.key: spec for spec in steps}
    order = graph.in_order({key: spec.depends_on for key, spec in by_key.items()})
    run = Run(
        organization=organization,
        subject_kind=subject.kind,
        subject_id=subject.id,
        idempotency_key=start.idempotency_key,
        actor=actor,
        trigger=start.trigger,
        retry_of=start.retry_of,
        division=start.division,
    )
    with transaction.atomic():
        admission.place(run)
        Run.objects.bulk_create([run], ignore_conflicts=True)
        kept = Run.objects.of(subject).get(idempotency_key=start.idempotency_key)
        if kept.pk != run.pk:
            return kept
        _begin(run, [by_key[key] for key in order])
    return run


def _begin(run: Run, specs: list[StepSpec]) -> None:
    """Give the new run its steps, leave a trace, and call the workers."""
    rows = _add_steps(run, specs)
    data = {"steps": len(rows), "trigger": run.trigger, "subject": run.subject.topic}
    audit.record(
        verb="run.started", actor=run.actor, organization=run.organization, target=run, data=data
    )
    events.run_changed(run)
    if any(row.status != StepStatus.QUEUED for row in rows):
        transitions.settle(run_id=run.pk, now=run.created_at)
        run.refresh_from_db()
    if run.status == RunStatus.RUNNING:
        pools = graph.ready_pools(wake.nodes(rows))
        transaction.on_commit(partial(wake.call, run.pk, pools), robust=True)


def _add_steps(run: Run, specs: list[StepSpec]) -> list[StepRun]:
    aliases = {spec.alias for spec in specs}
    serving = {alias: _serving(run.organization, alias) for alias in aliases}
    rows = [_step(run, spec, serving[spec.alias]) for spec in specs]
    for position, row in enumerate(rows):
        row.position = position
    _reuse(run, specs, rows)
    StepRun.objects.bulk_create(rows)
    for row in rows:
        if row.cached_output is not None:
            payload = transitions.output_payload(row, row.cached_output)
            outbox.add(run=run, kind=OutboxRow.Kind.OUTPUT_COMMITTED, payload=payload)
    return rows


def _serving(organization: Organization, alias: str) -> Deployment | None:
    """Return what serves the alias; an installation that has never written registers its starter."""
    found = catalog.deployment_for(organization, alias)
    if found is None and alias == WRITER:
        catalog_services.ensure_starter()
        found = catalog.deployment_for(organization, alias)
    return found


def _step(run: Run, spec: StepSpec, deployment: Deployment | None) -> StepRun:
    params = spec.params
    row = StepRun(
        run=run,
        key=spec.key,
        label=spec.label[:120],
        topic=(spec.audience or run.subject).topic,
        depends_on=spec.depends_on,
        messages=messages_to_json(spec.messages),
        params=params_to_json(params),
        seed=secrets.randbelow(SEED_LIMIT) if params.seed is None else params.seed,
        context=dict(spec.context),
        alias=spec.alias,
        deployment=deployment,
        model_version=deployment.variant.version if deployment else None,
        pool=deployment.pool if deployment else DEFAULT_POOL,
        queued_at=run.created_at,
    )
    if deployment is None:
        row.status, row.finished_at = StepStatus.FAILED, run.created_at
        row.error_code = failures.MODEL_MISSING
        row.error_data = {"reason": _("nothing is deployed as “%(alias)s”") % {"alias": spec.alias}}
    return row


def _reuse(run: Run, specs: list[StepSpec], rows: list[StepRun]) -> None:
    """Give steps that want it the output of equal inputs, as far as the inputs are known now."""
    known: dict[str, str] = {}
    for spec, row in zip(specs, rows, strict=True):
        if row.deployment is None or not known.keys() >= set(spec.depends_on):
            continue
        row.input_hash = input_hash(
            messages=spec.messages,
            params=spec.params,
            model_version=str(row.model_version_id),
            outputs=known,
        )
        output = spec.reuse and selectors.latest_output(run.organization, spec.key, row.input_hash)
        if output:
            row.cached_output, row.status = output, StepStatus.CACHED
            row.finished_at = run.created_at
            known[spec.key] = output.text


def cancel_run(*, run: Run, by: User | None) -> Run:
    """Stop a run: what has not begun never will, what is being written ends within a second."""
    with transaction.atomic():
        if transitions.request_cancel(run_id=run.pk, now=timezone.now()):
            audit.record(verb="run.stopped", actor=by, organization=run.organization, target=run)
            transaction.on_commit(partial(stops.stop, run.pk))
    run.refresh_from_db()
    return run


def retry(*, run: Run, by: User | None, idempotency_key: str) -> Run:
    """Begin again what a finished run did not write; what it did write is read as it stands.

    Raises:
        RunGoesOn: The run is not over.
        NothingToRun: Every step was written.
    """
    run.refresh_from_db()
    if not run.is_over:
        raise RunGoesOn(_("Wanted a finished run, got one that still goes on"))
    steps = list(run.steps.select_related("cached_output"))
    outputs = selectors.outputs_by_step(steps)
    done = {step.key: outputs[step.key][0] for step in steps if step.status in STEP_DONE}
    return start_run(
        organization=run.organization,
        actor=by,
        subject=run.subject,
        steps=[_again(step, done) for step in steps if step.key not in done],
        start=Start(
            idempotency_key=idempotency_key,
            trigger="retry",
            retry_of=run,
            division=run.division,
        ),
    )


def _again(step: StepRun, done: dict[str, Output]) -> StepSpec:
    messages = tuple(
        PromptMessage(
            role=one.role, segments=tuple(_standing(segment, done) for segment in one.segments)
        )
        for one in messages_from_json(step.messages)
    )
    return StepSpec(
        key=step.key,
        label=step.label,
        messages=messages,
        params=params_from_json(step.params),
        alias=step.alias,
        context=step.context,
        audience=Subject.of_topic(step.topic),
    )


def _standing(segment: Segment, done: dict[str, Output]) -> Segment:
    if not isinstance(segment, StepOutput) or segment.step not in done:
        return segment
    output = done[segment.step]
    return Source(ref=segment.step, text=output.text, output=str(output.pk), apply=segment.apply)


def reconcile(now: datetime | None = None) -> reconciler.Report:
    """Put right whatever was lost; the timer of the embedded process and beat call it."""
    return reconciler.reconcile(now)
