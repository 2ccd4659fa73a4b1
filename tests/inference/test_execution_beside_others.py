"""Runs that are carried out while others stop them, take them over, or look for what hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.inference import execution, services, transitions, wake
from apps.inference.conf import tempo
from apps.inference.models import Checkpoint, Output, Run, RunStatus, StepStatus
from apps.inference.specs import Params
from apps.organizations.models import Organization
from tests.inference.builders import chain, spec, start
from tests.inference.carrying_out import work
from tests.inference.conftest import Calls, Play


@pytest.mark.django_db(transaction=True)
class TestBesideOthers:
    """A worker on a thread of its own, while other things happen."""

    def test_stop_ends_the_words_within_a_second_and_nothing_below_begins(
        self, organization: Organization, play: Play
    ) -> None:
        begun: list[str] = []
        play(words=400, delay_s=0.01, before_token=lambda request_id, _at: begun.append(request_id))
        run = start(organization, chain(3, params=Params(seed=1, max_new_tokens=400)))
        with worker(run):
            wait_for(Checkpoint.objects.exists)
            asked = time.monotonic()
            services.cancel_run(run=run, by=None)
            wait_for(lambda: Run.objects.get(pk=run.pk).is_over)
            assert time.monotonic() - asked < 1
        last = len(begun)
        time.sleep(0.1)
        assert len(begun) == last
        assert len(set(begun)) == 1
        run.refresh_from_db()
        assert run.status == RunStatus.CANCELLED
        assert not Output.objects.exists()
        assert Checkpoint.objects.get().text
        assert set(run.steps.values_list("status", flat=True)) == {"cancelled"}

    def test_a_stop_from_another_process_is_heard_through_the_database(
        self, organization: Organization, play: Play
    ) -> None:
        play(words=400, delay_s=0.01)
        run = start(organization, [spec("a", params=Params(seed=1, max_new_tokens=400))])
        with worker(run):
            wait_for(Checkpoint.objects.exists)
            asked = time.monotonic()
            transitions.request_cancel(run_id=run.pk, now=timezone.now())
            wait_for(lambda: Run.objects.get(pk=run.pk).is_over)
            assert time.monotonic() - asked < 1

    @pytest.mark.parametrize("engine", ["slow_to_begin", "slow_to_load"])
    def test_a_stop_is_heard_while_the_model_gets_ready(
        self, organization: Organization, play: Play, settings: Any, engine: str
    ) -> None:
        settings.INFERENCE_ENGINE = f"tests.inference.engines.{engine}"
        play()
        run = start(organization, chain(2))
        with worker(run) as thread:
            wait_for(lambda: set(run.steps.values_list("status", flat=True)) == {"running"})
            time.sleep(0.1)
            services.cancel_run(run=run, by=None)
            thread.join(1)
            assert not thread.is_alive()
        assert Run.objects.get(pk=run.pk).status == RunStatus.CANCELLED
        assert not Output.objects.exists()

    def test_a_stop_between_two_stages_begins_no_other(
        self, organization: Organization, play: Play
    ) -> None:
        play()
        run = start(organization, [spec("a"), spec("b", "a", alias="other")])
        work(run)
        services.cancel_run(run=run, by=None)
        assert work(run, "other").status == RunStatus.CANCELLED
        assert list(run.steps.values_list("key", "status")) == [
            ("a", "succeeded"),
            ("b", "cancelled"),
        ]

    def test_a_worker_whose_lease_was_taken_stops_writing(
        self, organization: Organization, play: Play, settings: Any
    ) -> None:
        settings.INFERENCE_TEMPO = {"heartbeat_s": 0.05}
        play(words=400, delay_s=0.01)
        run = start(organization, [spec("a", params=Params(seed=1, max_new_tokens=400))])
        with worker(run) as thread:
            wait_for(Checkpoint.objects.exists)
            far = timezone.now() + timedelta(seconds=tempo().lease_s + 1)
            transitions.expire(run_id=run.pk, now=far)
            assert transitions.claim(run_id=run.pk, pool="inference", owner="other", now=far)
            thread.join(2)
            assert not thread.is_alive()
        step = run.steps.get()
        assert (step.lease_owner, step.status) == ("other", StepStatus.RUNNING)

    def test_a_busy_process_turns_stages_away_and_calls_for_them_afterwards(
        self, organization: Organization, play: Play, settings: Any, calls: Calls
    ) -> None:
        settings.INFERENCE_TEMPO = {"stages": 1}
        play(words=60, delay_s=0.01)
        first, second = (
            start(organization, [spec("a", params=Params(seed=1, max_new_tokens=60))], subject=one)
            for one in "12"
        )
        calls.clear()
        with worker(first):
            wait_for(Checkpoint.objects.exists)
            assert work(second).steps.get().attempt == 0
        call = (wake.RUN_STAGE, "inference", {"run_id": str(second.pk), "pool": "inference"})
        assert calls == [call]
        assert work(second).status == RunStatus.SUCCEEDED

    def test_a_heartbeat_keeps_a_slow_step(
        self, organization: Organization, play: Play, settings: Any
    ) -> None:
        settings.INFERENCE_TEMPO = {"heartbeat_s": 0.1, "lease_s": 0.5}
        play(words=100, delay_s=0.02)
        run = start(organization, [spec("a", params=Params(seed=1, max_new_tokens=100))])
        with worker(run):
            wait_for(lambda: reconcile_and_look(run), within_s=20)
        assert run.steps.get().attempt == 1

    def test_the_steps_stay_ours_while_the_model_loads(
        self, organization: Organization, play: Play, settings: Any
    ) -> None:
        settings.INFERENCE_TEMPO = {"heartbeat_s": 0.1, "lease_s": 0.5}
        settings.INFERENCE_ENGINE = "tests.inference.engines.slow_to_load"
        play()
        run = start(organization, [spec("a")])
        with worker(run):
            wait_for(lambda: reconcile_and_look(run), within_s=20)
        assert run.steps.get().attempt == 1


def reconcile_and_look(run: Run) -> bool:
    services.reconcile()
    return Run.objects.get(pk=run.pk).is_over


@contextmanager
def worker(run: Run) -> Iterator[threading.Thread]:
    """Run the stage on a thread, as a worker of the same process does."""

    def serve() -> None:
        try:
            execution.run_stage(run_id=str(run.pk), pool="inference")
        finally:
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(20)
        assert not thread.is_alive()


def wait_for(true: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
