"""What a Celery worker does beside taking tasks."""

from types import SimpleNamespace
from typing import Any

import pytest

from apps.inference import stops, worker
from inferencecloud.celery import app


@pytest.fixture
def parent() -> Any:
    return SimpleNamespace(app=app)


def test_both_steps_are_part_of_every_worker() -> None:
    worker.register()
    assert {worker.Warm, worker.Drain} <= set(app.steps["worker"])


def test_a_worker_that_stops_has_its_stages_give_back_and_a_new_one_takes_work(
    parent: Any,
) -> None:
    step = worker.Drain(parent)
    step.stop(parent)
    assert stops.draining.is_set()
    step.start(parent)
    assert not stops.draining.is_set()


def test_models_are_loaded_beside_the_work_and_not_after_its_end(
    parent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "WARM_AFTER_S", 60.0)
    step = worker.Warm(parent)
    step.stop(parent)
    step.start(parent)
    assert step.timer is not None
    assert step.timer.is_alive()
    assert "inference" in step.timer.args[0]
    step.stop(parent)
    step.timer.join(5)
    assert not step.timer.is_alive()
