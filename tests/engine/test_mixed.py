"""A stage on two engines is one stage: texts cross over, ends and cancels too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferencecloud.engine import (
    FinishReason,
    ModelNotLoaded,
    OutputOf,
    Request,
    Resume,
    Sampling,
    Script,
    ScriptedEngine,
    SourcesInCircle,
)
from inferencecloud.engine.mixed import submit_mixed
from inferencecloud.engine.protocol import Engine
from tests.engine.asking import ask, collect


class Two:
    """Two engines; a request's model says which."""

    def __init__(self, **script: object) -> None:
        self.engines: dict[str, ScriptedEngine] = {}
        for name in ("left", "right"):
            self.engines[name] = ScriptedEngine(Script(words=6, **script))  # type: ignore[arg-type]
            self.engines[name].load(Path(name), key=name)

    def of(self, request: Request) -> Engine:
        return self.engines.get(request.model, self.engines["left"])

    def alone(self, request: Request) -> str:
        return collect(self.of(request).submit([request]))[request.id].text


@pytest.fixture
def two() -> Iterator[Two]:
    two = Two(fail_when="please fail", fail_after_tokens=2)
    yield two
    for engine in two.engines.values():
        engine.close()


def test_texts_cross_from_engine_to_engine(two: Two) -> None:
    requests = [
        ask("c", "c ", OutputOf("b", str.upper), model="left"),
        ask("a", "a", model="left"),
        ask("b", "b ", OutputOf("a"), model="right"),
        ask("d", "d ", OutputOf("a"), OutputOf("c"), model="left"),
    ]
    written = collect(submit_mixed(requests, two.of))
    a = two.alone(ask("a", "a", model="left"))
    b = two.alone(ask("b", f"b {a}", model="right"))
    c = two.alone(ask("c", f"c {b.upper()}", model="left"))
    d = two.alone(ask("d", f"d {a}{c}", model="left"))
    assert {name: one.text for name, one in written.items()} == {"a": a, "b": b, "c": c, "d": d}


def test_a_stage_of_one_engine_goes_to_it_whole(two: Two) -> None:
    stage = submit_mixed(
        [ask("a", "x", model="right"), ask("b", OutputOf("a"), model="right")], two.of
    )
    assert all(one.finish and one.finish.reason.succeeded for one in collect(stage).values())


def test_what_was_written_before_is_read_too(two: Two) -> None:
    whole = two.alone(ask("a", "a", model="left"))
    resume = Resume(token_ids=(1, 2), text="x y")
    resumed = ask("a", "a", model="left", resume=resume)
    written = collect(submit_mixed([resumed, ask("b", OutputOf("a"), model="right")], two.of))
    rest = written["a"].text
    assert whole
    assert written["b"].text == two.alone(ask("b", "x y" + rest, model="right"))


def test_a_failure_ends_what_would_read_it_on_every_engine(two: Two) -> None:
    requests = [
        ask("a", "please fail", model="left"),
        ask("b", OutputOf("a"), model="right"),
        ask("c", OutputOf("b"), model="left"),
        ask("d", "fine", model="right"),
    ]
    reasons = {
        k: one.finish.reason
        for k, one in collect(submit_mixed(requests, two.of)).items()
        if one.finish
    }
    assert reasons == {
        "a": FinishReason.FAILED,
        "b": FinishReason.SOURCE_MISSING,
        "c": FinishReason.SOURCE_MISSING,
        "d": FinishReason.LENGTH if Sampling().max_new_tokens < 6 else FinishReason.STOP,
    }


def test_a_later_refusal_fails_those_requests(two: Two) -> None:
    requests = [
        ask("a", "x", model="right"),
        ask("b", OutputOf("a"), model="unknown"),
        ask("c", OutputOf("b"), model="right"),
    ]
    written = collect(submit_mixed(requests, two.of))
    finish = written["b"].finish
    assert finish is not None
    assert isinstance(finish.error, ModelNotLoaded)
    assert written["c"].finish is not None
    assert written["c"].finish.reason is FinishReason.SOURCE_MISSING


def test_a_cancel_reaches_what_is_written_and_what_waits() -> None:
    two = Two(delay_s=0.05)
    stage = submit_mixed(
        [ask("a", "x", model="left"), ask("b", OutputOf("a"), model="right")], two.of
    )
    time.sleep(0.1)
    stage.cancel()
    reasons = [one.finish.reason for one in collect(stage).values() if one.finish]
    assert reasons[0] is FinishReason.CANCELLED
    assert reasons[1] in {FinishReason.CANCELLED, FinishReason.SOURCE_MISSING}
    for engine in two.engines.values():
        engine.close()


def test_what_is_no_stage_is_refused_at_once(two: Two) -> None:
    requests = [ask("a", OutputOf("b"), model="left"), ask("b", OutputOf("a"), model="right")]
    with pytest.raises(SourcesInCircle):
        submit_mixed(requests, two.of)
