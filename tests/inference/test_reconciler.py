"""Whatever was lost is put right."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.inference import reconciler, services, tasks, wake
from apps.inference.conf import tempo
from apps.inference.models import Run, RunStatus, StepRun, StepStatus
from apps.organizations.models import Organization
from inferencecloud.celery import app
from tests.inference.builders import chain, spec, start
from tests.inference.conftest import Calls, Play
from tests.inference.test_transitions import claimed


def test_a_lost_call_is_repeated_after_a_while(organization: Organization, calls: Calls) -> None:
    run = start(organization, [spec("a"), spec("b", alias="other"), spec("c", "a")])
    assert reconciler.reconcile().woken_runs == 0  # the first call may still arrive
    later = timezone.now() + timedelta(seconds=tempo().wake_again_s + 1)
    assert reconciler.reconcile(later).woken_runs == 1
    assert reconciler.reconcile(timezone.now()).woken_runs == 0
    assert calls == [
        (wake.RUN_STAGE, "inference", {"run_id": str(run.pk), "pool": "inference"}),
        (wake.RUN_STAGE, "other", {"run_id": str(run.pk), "pool": "other"}),
    ]


def test_a_lost_call_is_repeated_although_the_clock_was_put_back(
    organization: Organization, calls: Calls
) -> None:
    start(organization, [spec("a")])
    assert reconciler.reconcile(timezone.now() - timedelta(hours=1)).woken_runs == 1
    assert len(calls) == 1


def test_a_broker_that_is_down_stops_nobody(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send_task(*_args: Any, **_options: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(app, "send_task", send_task)
    run = start(organization, chain(1))
    assert wake.stages(run.pk) == ["inference"]


def test_the_names_that_are_called_are_the_tasks(organization: Organization) -> None:
    assert tasks.run_stage.name == wake.RUN_STAGE
    assert tasks.deliver.name == wake.DELIVER


def test_a_dead_workers_steps_go_back_to_the_line(organization: Organization) -> None:
    run = start(organization, chain(2))
    claimed(run)
    report = reconciler.reconcile(timezone.now() + timedelta(seconds=tempo().lease_s + 1))
    assert report.expired_steps == 2
    assert set(run.steps.values_list("status", flat=True)) == {StepStatus.QUEUED}


def test_a_run_whose_worker_died_before_closing_it_is_closed(organization: Organization) -> None:
    run = start(organization, chain(2))
    StepRun.objects.filter(run=run).update(status=StepStatus.SUCCEEDED)
    assert reconciler.reconcile().closed_runs == 1
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED


def test_a_source_that_never_comes_ends_its_readers(organization: Organization) -> None:
    run = start(organization, chain(3))
    StepRun.objects.filter(run=run, key="c0").update(status=StepStatus.FAILED, error_code="engine")
    reconciler.reconcile()
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED


def test_a_run_that_nobody_admitted_is_admitted(organization: Organization) -> None:
    run = start(organization, chain(1))
    Run.objects.filter(pk=run.pk).update(status=RunStatus.QUEUED)
    assert services.reconcile().admitted_runs == 1


def test_the_tasks_do_what_they_are_called_for(organization: Organization, play: Play) -> None:
    play()
    run = start(organization, chain(2))
    tasks.reconcile()
    tasks.run_stage(run_id=str(run.pk), pool="inference", of_a_later_version=1)
    tasks.deliver()
    run.refresh_from_db()
    assert run.status == RunStatus.SUCCEEDED
