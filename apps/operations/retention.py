"""Let go of what an organization keeps no longer: a bounded number of steps per pass, each by its service."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from apps.inference import erasure as inference
from apps.inference.models import RUN_OVER, OutboxRow, Run
from apps.notebooks.models import Notebook
from apps.notebooks.services import erasure
from apps.notebooks.services.notebooks import NotebookNotInTrash, delete_notebook
from apps.organizations import audit
from apps.organizations.models import AuditEvent, Organization
from apps.organizations.services.retention import retention_of

STEP = 200  # rows in one transaction
STEPS = 25  # of each kind in one pass: the next one goes on


@dataclass(frozen=True, kw_only=True)
class LetGo:
    """How much of each kind a pass let go of."""

    notebooks: int = 0
    outputs: int = 0
    runs: int = 0
    audit_events: int = 0


def apply(organization: Organization, now: datetime) -> LetGo:
    """Let go of what is over its time; leave one event with the counts where there was anything."""
    kept = retention_of(organization)
    done = LetGo(
        notebooks=_trash(organization, _before(now, kept.trash_days)),
        outputs=_outputs(organization, _before(now, kept.output_days)),
        runs=_runs(organization, _before(now, kept.run_days)),
        audit_events=_audit(organization, _before(now, kept.audit_days)),
    )
    if any(asdict(done).values()):
        audit.record(
            verb="retention.applied",
            actor=None,
            organization=organization,
            target=organization,
            data=asdict(done),
        )
    return done


def _before(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


def _trash(organization: Organization, before: datetime | None) -> int:
    if before is None:
        return 0
    thrown = Notebook.objects.filter(organization=organization, trashed_at__lt=before)
    count = 0
    for notebook in thrown.order_by("trashed_at")[:STEP]:
        try:
            delete_notebook(notebook=notebook, by=None)
        except (NotebookNotInTrash, Notebook.DoesNotExist):  # somebody was quicker
            continue
        count += 1
    return count


def _outputs(organization: Organization, before: datetime | None) -> int:
    """Forget texts of models that nobody took: they wait, were dismissed, or gave way to others."""
    if before is None:
        return 0
    step = partial(erasure.forget_untaken, organization, before=before, limit=STEP)
    return _step_by_step(step)


def _runs(organization: Organization, before: datetime | None) -> int:
    if before is None:
        return 0
    return _step_by_step(partial(_forget_runs, organization, before))


@transaction.atomic
def _forget_runs(organization: Organization, before: datetime) -> int:
    """Forget what finished runs were asked; their outputs keep what led to them."""
    over = Run.objects.filter(
        organization=organization, status__in=RUN_OVER, finished_at__lt=before
    )
    detailed = over.exclude(steps__messages=[]).distinct().order_by("finished_at")
    runs = list(detailed.values_list("pk", flat=True)[:STEP])
    inference.forget_details(runs)
    told = OutboxRow.objects.filter(organization=organization, created_at__lt=before)
    told.exclude(deliveries__delivered_at=None, deliveries__given_up_at=None).delete()
    return len(runs)


def _audit(organization: Organization, before: datetime | None) -> int:
    if before is None:
        return 0
    return _step_by_step(partial(_forget_events, organization, before))


@transaction.atomic
def _forget_events(organization: Organization, before: datetime) -> int:
    old = AuditEvent.objects.filter(organization=organization, at__lt=before).order_by("at")
    ids = list(old.values_list("pk", flat=True)[:STEP])
    AuditEvent.objects.filter(pk__in=ids).delete()
    return len(ids)


def _step_by_step(step: "partial[int]") -> int:
    """Repeat the step until it finds nothing more, or the pass is over; return how much it did."""
    total = 0
    for _ in range(STEPS):
        done = step()
        total += done
        if done < STEP:
            break
    return total
