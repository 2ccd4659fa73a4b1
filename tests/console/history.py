"""What happened in a company, as rows: runs with steps, what they wrote, what was spent."""

from datetime import datetime, timedelta
from itertools import count

from django.utils import timezone

from apps.accounts.models import User
from apps.catalog.models import Deployment
from apps.inference import quotas
from apps.inference.models import Output, Run, RunStatus, StepRun, StepStatus
from apps.inference.specs import Source, Subject, Text, segment_to_json
from apps.notebooks.models import Notebook
from tests.inference.builders import deployment

SECRET = "the unreleased espresso maker"
QUOTED = "words out of another notebook"
_numbers = count(1)


def ran(
    notebook: Notebook,
    *,
    by: User | None = None,
    status: str = RunStatus.SUCCEEDED,
    at: datetime | None = None,
    quoting: Notebook | None = None,
) -> Run:
    """Return a run of one step in the notebook that has ended so."""
    at = at or timezone.now()
    subject = Subject(kind="notebook", id=str(notebook.pk))
    is_over = status not in {RunStatus.QUEUED, RunStatus.RUNNING}
    run = Run.objects.create(
        organization=notebook.organization,
        subject_kind=subject.kind,
        subject_id=subject.id,
        idempotency_key=f"history-{next(_numbers)}",
        actor=by,
        division=notebook.workspace.division,
        status=status,
        created_at=at,
        started_at=None if status == RunStatus.QUEUED else at,
        finished_at=at + timedelta(seconds=4) if is_over else None,
    )
    _step(run, subject, quoting, at)
    return run


def _step(run: Run, subject: Subject, quoting: Notebook | None, at: datetime) -> StepRun:
    writer = Deployment.objects.filter(alias="writer").first() or deployment()
    status = {
        RunStatus.QUEUED: StepStatus.QUEUED,
        RunStatus.RUNNING: StepStatus.RUNNING,
        RunStatus.SUCCEEDED: StepStatus.SUCCEEDED,
        RunStatus.FAILED: StepStatus.FAILED,
        RunStatus.CANCELLED: StepStatus.CANCELLED,
    }[RunStatus(run.status)]
    held = {"lease_owner": "machine:7:stage", "lease_until": at + timedelta(minutes=1)}
    is_failed = status == StepStatus.FAILED
    return StepRun.objects.create(
        run=run,
        key=f"{subject.id}:cell",
        label="tagline",
        position=0,
        topic=subject.topic,
        messages=[{"role": "user", "segments": _segments(quoting)}],
        params={"variants": 1},
        seed=1,
        alias="writer",
        deployment=writer,
        model_version=writer.variant.version,
        pool="inference",
        status=status,
        attempt=1,
        queued_at=at,
        started_at=at + timedelta(seconds=1),
        first_token_at=at + timedelta(seconds=2),
        heartbeat_at=at,
        prompt_tokens=30,
        new_tokens=70,
        error_code="prompt_too_long" if is_failed else "",
        error_data={"reason": SECRET} if is_failed else {},
        **(held if status == StepStatus.RUNNING else {}),
    )


def _segments(quoting: Notebook | None) -> list[dict[str, object]]:
    parts = [segment_to_json(Text(text=f"Write about {SECRET}. "))]
    if quoting:
        ref = f"{quoting.pk}:cell"
        parts.append(segment_to_json(Source(ref=ref, text=QUOTED)))
    return parts


def wrote(run: Run, *, tokens: int = 100, first_token_s: float = 0.4) -> Output:
    """Return an output of the run's step, entered into the ledger."""
    step = run.steps.get()
    assert step.deployment is not None
    output = Output.objects.create(
        organization=run.organization,
        step_run=step,
        variant=0,
        text=f"A text about {SECRET}",
        sha256="",
        finish_reason="stop",
        model_version=step.deployment.variant.version,
        model_variant=step.deployment.variant,
        prompt=step.messages,
        input_hash="",
        params={},
        seed=1,
        prompt_tokens=0,
        new_tokens=tokens,
        waited_s=0.0,
        first_token_s=first_token_s,
        total_s=first_token_s + tokens / 50,
        created_at=run.created_at,
    )
    quotas.spend(run=run, output=output)
    return output
