"""The guarantee behind the wake-up calls: whatever was lost or died, this puts it right. Idempotent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from apps.inference import admission, outbox, owners, quotas, transitions, wake
from apps.inference.conf import tempo
from apps.inference.models import STEP_HELD, STEP_OVER, Run, RunStatus, StepRun, StepStatus


@dataclass(frozen=True, kw_only=True)
class Report:
    """What had to be put right."""

    expired_steps: int
    closed_runs: int
    admitted_runs: int
    woken_runs: int
    delivered: int


def reconcile(now: datetime | None = None) -> Report:
    """Take back silent steps, close and admit runs, call workers again, deliver, tell of used-up quotas."""
    now = now or timezone.now()
    gone = owners.gone(_owners())
    expired = sum(
        transitions.expire(run_id=run, now=now, gone=gone) for run in _to_take_back(now, gone)
    )
    closed = sum(transitions.settle(run_id=run, now=now) for run in _with_ended_steps())
    waiting = Run.objects.filter(status=RunStatus.QUEUED)
    organizations = set(waiting.values_list("organization", flat=True))
    admitted = sum(len(admission.admit(organization_id=one, now=now)) for one in organizations)
    quotas.alert(now)
    woken = sum(bool(wake.stages(run)) for run in _to_wake(now))
    return Report(
        expired_steps=expired,
        closed_runs=closed,
        admitted_runs=admitted,
        woken_runs=woken,
        delivered=outbox.deliver(),
    )


def _owners() -> set[str]:
    held = StepRun.objects.filter(status__in=STEP_HELD)
    return set(held.values_list("lease_owner", flat=True))


def _to_take_back(now: datetime, gone: set[str]) -> list[UUID]:
    silent = StepRun.objects.filter(transitions.silent(now, gone))
    return sorted(set(silent.values_list("run", flat=True)))


def _with_ended_steps() -> list[UUID]:
    """Return runs whose last step has ended, or that still wait for a source which never comes."""
    steps = StepRun.objects.filter(run=OuterRef("pk"))
    is_left = Exists(steps.exclude(status__in=STEP_OVER))
    is_broken = Exists(steps.filter(status__in=[StepStatus.FAILED, StepStatus.CANCELLED]))
    ended = Run.objects.going_on().filter(Q(~is_left) | Q(is_broken))
    return list(ended.values_list("pk", flat=True))


def _to_wake(now: datetime) -> list[UUID]:
    """Return running runs with waiting steps whose last call was long enough ago to be lost."""
    waiting = StepRun.objects.filter(run=OuterRef("pk"), status=StepStatus.QUEUED)
    called_before = now - timedelta(seconds=tempo().wake_again_s)
    runs = Run.objects.filter(Exists(waiting), status=RunStatus.RUNNING).filter(
        Q(woken_at__isnull=True)
        | Q(woken_at__lte=called_before)
        | Q(woken_at__gt=now)  # the clock was put back
    )
    return list(runs.values_list("pk", flat=True))
