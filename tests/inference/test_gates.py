"""A run that waited is asked about again before anything is written."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.inference import gates, transitions
from apps.inference.models import Run, RunStatus
from apps.organizations.models import AuditEvent, Organization
from tests.inference.builders import chain, start

asked: list[Run] = []


def may_not(run: Run) -> bool:
    asked.append(run)
    return False


def may(run: Run) -> bool:
    asked.append(run)
    return True


@pytest.fixture(autouse=True)
def gate() -> Iterator[None]:
    asked.clear()
    gates.register("thing", "tests.inference.test_gates.may_not")
    yield
    gates.unregister("thing")


def claim(run: Run, *, after_s: float) -> int:
    now = timezone.now() + timedelta(seconds=after_s)
    return len(transitions.claim(run_id=run.pk, pool="inference", owner="w", now=now))


def test_what_was_right_a_moment_ago_is_not_asked_again(organization: Organization) -> None:
    assert claim(start(organization, chain(2)), after_s=0) == 2
    assert asked == []


def test_whoever_lost_the_right_while_waiting_writes_nothing(organization: Organization) -> None:
    run = start(organization, chain(2))
    assert claim(run, after_s=60) == 0
    run.refresh_from_db()
    assert run.status == RunStatus.CANCELLED
    assert {step.error for step in run.steps.all()} == {
        "Not written: whoever started it may not write here any more"
    }
    stopped = AuditEvent.objects.get(verb="run.stopped")
    assert (stopped.actor, stopped.data) == (None, {"because": "not_allowed"})


def test_whoever_still_may_is_written_for(organization: Organization) -> None:
    gates.register("thing", "tests.inference.test_gates.may")
    run = start(organization, chain(2))
    assert claim(run, after_s=60) == 2
    assert asked == [run]
