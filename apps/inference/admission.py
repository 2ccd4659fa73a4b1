"""Let runs begin within the limits: nobody is refused, whoever must wait sees where they stand."""

from collections import Counter
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction

from apps.inference import events, graph, quotas, wake
from apps.inference.conf import limits
from apps.inference.models import Run, RunStatus
from apps.organizations.models import Organization


def place(run: Run) -> None:
    """Let a new run begin at once or wait, within the caller's transaction; it is not saved yet."""
    going_on = _locked_line(run.organization_id)
    by_person = Counter(one.actor_id for one in going_on if one.status == RunStatus.RUNNING)
    if not quotas.held_back([run], run.created_at) and _within_limits([run], by_person):
        run.status = RunStatus.RUNNING
        run.started_at = run.woken_at = run.created_at


def _locked_line(organization_id: UUID) -> list[Run]:
    """Return the organization's runs that are not over, oldest first.

    The organization's row is the lock: two processes must not both give away the last place.
    """
    locked = Organization.objects.select_for_update(no_key=True).filter(pk=organization_id)
    list(locked.values_list("pk"))
    going_on = Run.objects.filter(organization=organization_id).going_on()
    return list(going_on.select_related("division").order_by("created_at", "pk"))


@transaction.atomic
def admit(*, organization_id: UUID, now: datetime, has_moved: bool = False) -> list[Run]:
    """Begin the organization's waiting runs that the limits allow, oldest first; return them.

    `has_moved` says that somebody has left the line: the others learn of their new place.
    """
    going_on = _locked_line(organization_id)
    waiting = [run for run in going_on if run.status == RunStatus.QUEUED]
    by_person = Counter(run.actor_id for run in going_on if run.status == RunStatus.RUNNING)
    held = quotas.held_back(waiting, now)
    chosen = _within_limits([run for run in waiting if run.pk not in held], by_person)
    for run in chosen:
        run.status, run.started_at = RunStatus.RUNNING, now
        Run.objects.filter(pk=run.pk, status=RunStatus.QUEUED).update(
            status=run.status, started_at=now, woken_at=now
        )
        events.run_changed(run)
        steps = run.steps.only("run", "key", "pool", "status", "depends_on")
        pools = graph.ready_pools(wake.nodes(steps))
        transaction.on_commit(partial(wake.call, run.pk, pools), robust=True)
    if chosen or has_moved:
        for run in waiting:
            if run not in chosen:
                events.run_changed(run)
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
