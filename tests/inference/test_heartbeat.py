"""What workers say of themselves."""

import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.core.cache import cache
from redis import RedisError

from apps.inference import heartbeat, host, worker
from inferencecloud.celery import app


@dataclass(frozen=True)
class Told:
    """What a batching engine tells."""

    running: int = 2
    kv_blocks_used: int = 5
    last_step_s: float = 0.5
    stuck: bool = True
    device: str = "cpu"  # no number


class Engine:
    """An engine that only tells."""

    def __init__(self, told: Any) -> None:
        self.told = told

    def models(self) -> list[Any]:
        return [SimpleNamespace(key="k1", name="starter"), SimpleNamespace(key="k2", name="large")]

    def metrics(self) -> Any:
        return self.told


NUMBERS = {"running": 2.0, "kv_blocks_used": 5.0, "last_step_s": 0.5, "stuck": 1.0}


def test_what_a_worker_said_is_there_until_it_takes_leave() -> None:
    heartbeat.publish(pools={"inference", "default"}, engines={"starter": {"running": 1}})
    [beat] = heartbeat.beats()
    assert beat.worker == heartbeat.this_worker()
    assert beat.pools == ("default", "inference")
    assert beat.engines == {"starter": {"running": 1}}
    assert time.time() - beat.at < 5
    heartbeat.withdraw()
    assert heartbeat.beats() == []


def test_it_is_kept_for_a_minute() -> None:
    with patch.object(cache, "set", wraps=cache.set) as kept:
        heartbeat.publish(pools=["inference"])
    assert kept.call_args_list[0].args[2] == 60


def test_many_workers_are_listed_and_the_list_forgets_the_long_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache.set(heartbeat.NAMES, {"old:1": time.time() - 100_000, "quiet:2": time.time() - 100})
    for name in ("one:1", "two:2"):
        monkeypatch.setattr(heartbeat, "this_worker", lambda name=name: name)
        heartbeat.publish(pools=[])
        heartbeat.publish(pools=[])
    assert [beat.worker for beat in heartbeat.beats()] == ["one:1", "two:2"]
    assert set(cache.get(heartbeat.NAMES)) == {"one:1", "two:2", "quiet:2"}


@pytest.mark.parametrize("refusal", [OSError("no route"), RedisError("no server")])
def test_a_cache_that_is_away_disturbs_nobody(refusal: Exception) -> None:
    with (
        patch.object(cache, "set", side_effect=refusal),
        patch.object(cache, "get", side_effect=refusal),
        patch.object(cache, "delete", side_effect=refusal),
    ):
        heartbeat.publish(pools=[])
        heartbeat.withdraw()
        assert heartbeat.beats() == []


def test_an_engine_s_numbers_stand_under_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "current", lambda: Engine(Told()))
    assert heartbeat.engine_numbers() == {"large + starter": NUMBERS}
    monkeypatch.setattr(host, "current", lambda: Engine({"k1": Told(), "other": Told(running=0)}))
    assert heartbeat.engine_numbers() == {"starter": NUMBERS, "other": NUMBERS | {"running": 0.0}}


def test_an_engine_without_numbers_or_none_at_all_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert heartbeat.engine_numbers() == {}
    monkeypatch.setattr(host, "current", lambda: SimpleNamespace(models=list))
    assert heartbeat.engine_numbers() == {}


def test_a_worker_beats_from_its_start_to_its_end() -> None:
    step = worker.Tell(SimpleNamespace(app=app))
    step.stop(SimpleNamespace(app=app))  # before it ever began
    step.start(SimpleNamespace(app=app))
    deadline = time.monotonic() + 5
    while not heartbeat.beats() and time.monotonic() < deadline:
        time.sleep(0.01)
    [beat] = heartbeat.beats()
    assert "inference" in beat.pools
    step.stop(SimpleNamespace(app=app))
    assert heartbeat.beats() == []
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_a_broken_engine_does_not_make_its_worker_look_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = Engine(None)
    monkeypatch.setattr(broken, "metrics", lambda: 1 // 0)
    monkeypatch.setattr(host, "current", lambda: broken)
    heart = heartbeat.Heart(["inference"])
    heart.start()
    deadline = time.monotonic() + 5
    while not heartbeat.beats() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert heartbeat.beats()[0].engines == {}
    heart.stop()
