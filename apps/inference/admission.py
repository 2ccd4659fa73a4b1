"""Let runs begin within the limits: nobody is refused, whoever must wait sees where they stand."""

from collections import Counter
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from apps.inference import events, graph, wake
from apps.inference.conf import limits
from apps.inference.models import Run, RunStatus
from apps.organizations.models import Organization


@transaction.atomic
def admit(*, organization_id: UUID, now: datetime) -> list[Run]:
    """Begin the organization's waiting runs that the limits allow, oldest first; return them."""
    # The organization's row is the lock: two processes must not both give away the last place.
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
    waiting = list(Run.objects.waiting_line(organization_id))
    if not waiting:
        return []
    running = Run.objects.filter(organization=organization_id, status=RunStatus.RUNNING)
    by_person: Counter[UUID | None] = Counter(running.values_list("actor", flat=True))
    chosen = _within_limits(waiting, by_person)
    for run in chosen:
        run.status, run.started_at = RunStatus.RUNNING, now
        Run.objects.filter(pk=run.pk, status=RunStatus.QUEUED).update(
            status=run.status, started_at=now, woken_at=now
        )
        events.run_changed(run)
        steps = run.steps.only("run", "key", "pool", "status", "depends_on")
        pools = graph.ready_pools(wake.nodes(steps))
        transaction.on_commit(partial(wake.call, run.pk, pools), robust=True)
    if chosen:
        for run in waiting:
            if run not in chosen:
                events.run_changed(run)  # its place in the line has changed
    return chosen


def _within_limits(waiting: list[Run], by_person: Counter[UUID | None]) -> list[Run]:
    """Return who may begin; a person at the limit lets the others pass."""
    allowed = limits()
    free = allowed.runs_per_organization - by_person.total()
    chosen: list[Run] = []
    for run in waiting:
        at_limit = by_person[run.actor_id] >= allowed.runs_per_person
        if len(chosen) < free and (run.actor_id is None or not at_limit):
            chosen.append(run)
            by_person[run.actor_id] += 1
    return chosen
