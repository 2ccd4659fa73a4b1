"""The engine without a model, and with it what every engine shares: order, cancelling, failing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferencecloud.engine import (
    Engine,
    FinishReason,
    GenerationFailed,
    ModelNotLoaded,
    RequestIdTaken,
    RequestUnknown,
    Resume,
    Sampling,
    Script,
    ScriptedEngine,
    SourcesInCircle,
    SourceUnknown,
)
from tests.engine.asking import OutputOf, ask, collect, write


def _engine(script: Script | None = None) -> ScriptedEngine:
    engine = ScriptedEngine(script)
    engine.load(Path("anywhere"), key="tiny")
    return engine


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    engine = _engine()
    yield engine
    engine.close()


def test_importing_the_engine_loads_neither_torch_nor_django_nor_celery() -> None:
    heavy = "('torch', 'django', 'celery')"
    code = f"import sys, inferencecloud.engine; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_text_is_a_function_of_prompt_and_seed(engine: Engine) -> None:
    def text(prompt: str, seed: int) -> str:
        return write(engine, ask("a", prompt, sampling=Sampling(seed=seed))).text

    assert text("lamp", 1) == text("lamp", 1)
    assert len({text("lamp", 1), text("lamp", 2), text("desk", 1)}) == 3
    assert len(text("lamp", 1).split()) == 40


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(0, 45), max_chars=st.one_of(st.none(), st.integers(1, 250)))
def test_a_resumed_script_is_the_uninterrupted_script(cut: int, max_chars: int | None) -> None:
    engine = _engine()
    sampling = Sampling(max_chars=max_chars, stop=("glow",))
    whole, ids, checkpoints = "", [], [("", 0)]
    for delta in engine.submit([ask("a", "lamp", sampling=sampling)]):
        whole += delta.text
        ids += delta.token_ids
        checkpoints.append((whole, len(ids)))
    text, count = checkpoints[min(cut, len(checkpoints) - 1)]
    resume = Resume(token_ids=tuple(ids[:count]), text=text)
    rest = write(engine, ask("a", "lamp", sampling=sampling, resume=resume))
    assert text + rest.text == whole
    assert rest.finish is not None
    assert rest.finish.new_tokens == len(ids)
    engine.close()


def test_limits_hold(engine: Engine) -> None:
    few = write(engine, ask("a", "lamp", sampling=Sampling(max_new_tokens=4)))
    assert len(few.text.split()) == 4
    assert few.finish is not None
    assert few.finish.reason is FinishReason.LENGTH
    short = write(engine, ask("a", "lamp", sampling=Sampling(max_chars=12)))
    assert len(short.text) <= 12
    assert short.finish is not None
    assert short.finish.reason is FinishReason.CHARS


def test_a_failure_on_demand_fails_alone_and_starts_no_reader() -> None:
    engine = _engine(Script(fail_when="[fail]", fail_after_tokens=3))
    stage = engine.submit(
        [
            ask("a", "lamp [fail]"),
            ask("b", OutputOf("a")),
            ask("c", OutputOf("b")),
            ask("d", "desk"),
        ]
    )
    written = collect(stage)
    failed = written["a"].finish
    assert failed is not None
    assert isinstance(failed.error, GenerationFailed)
    assert len(written["a"].token_ids) == 3
    assert [written[name].finish.reason for name in "bcd"] == [  # type: ignore[union-attr]
        FinishReason.SOURCE_MISSING,
        FinishReason.SOURCE_MISSING,
        FinishReason.LENGTH,
    ]
    assert written["b"].text == ""
    engine.close()


def test_a_reader_of_two_sources_starts_when_both_are_there(engine: Engine) -> None:
    stage = engine.submit(
        [ask("c", OutputOf("a"), " and ", OutputOf("b")), ask("b", "desk"), ask("a", "lamp")]
    )
    written = collect(stage)
    joined = f"{written['a'].text} and {written['b'].text}"
    assert written["c"].text == write(engine, ask("x", joined)).text


def test_a_chain_of_two_thousand_steps_is_no_problem(engine: Engine) -> None:
    one = Sampling(max_new_tokens=1)
    requests = [ask("0", "lamp", sampling=one)]
    requests += [ask(str(n), OutputOf(str(n - 1)), sampling=one) for n in range(1, 2000)]
    written = collect(engine.submit(requests))
    assert {entry.finish.reason for entry in written.values() if entry.finish} == {
        FinishReason.LENGTH
    }


def test_a_long_chain_whose_head_is_cancelled_ends_at_once() -> None:
    engine = _engine(Script(delay_s=0.05))
    requests = [ask("0", "lamp"), *[ask(str(n), OutputOf(str(n - 1))) for n in range(1, 1500)]]
    stage = engine.submit(requests)
    stage.cancel("0")
    written = collect(stage)
    reasons = [written[str(n)].finish.reason for n in range(1500)]  # type: ignore[union-attr]
    assert reasons[0] is FinishReason.CANCELLED
    assert set(reasons[1:]) == {FinishReason.SOURCE_MISSING}
    engine.close()


def test_cancelling_what_waits_ends_it_while_another_is_written() -> None:
    engine = _engine(Script(words=1000, delay_s=0.01))
    running = engine.submit([ask("a", "lamp")])
    waiting = engine.submit([ask("b", "desk"), ask("c", OutputOf("b"))])
    asked = time.monotonic()
    waiting.cancel("b")
    ends = collect(waiting)
    assert time.monotonic() - asked < 0.5
    assert [ends[name].finish.reason for name in "bc"] == [  # type: ignore[union-attr]
        FinishReason.CANCELLED,
        FinishReason.SOURCE_MISSING,
    ]
    assert not running.finished
    running.cancel()
    assert collect(running)["a"].finish.reason is FinishReason.CANCELLED  # type: ignore[union-attr]
    running.cancel()
    engine.close()


def test_cancelling_a_stranger_is_refused(engine: Engine) -> None:
    stage = engine.submit([ask("a", "lamp")])
    with pytest.raises(RequestUnknown, match="no request z"):
        stage.cancel("z")


def test_poll_returns_empty_after_its_time_and_everything_otherwise() -> None:
    gate = threading.Event()
    engine = _engine(Script(words=3, before_token=lambda _id, _position: gate.wait(5) and None))
    stage = engine.submit([ask("a", "lamp")])
    started = time.monotonic()
    assert stage.poll(timeout_s=0.05) == []
    assert time.monotonic() - started < 2
    assert not stage.finished
    gate.set()
    got = []
    while not stage.finished:
        got += stage.poll(timeout_s=1)
    assert len(got) == 4
    assert stage.poll(timeout_s=1) == []
    engine.close()


def test_several_workers_write_at_once() -> None:
    together = threading.Barrier(2, timeout=5)

    def meet(_request_id: str, position: int) -> None:
        if position == 0:
            together.wait()

    engine = _engine(Script(workers=2, words=2, before_token=meet))
    written = collect(engine.submit([ask("a", "lamp"), ask("b", "desk")]))
    assert all(
        entry.finish and entry.finish.reason is FinishReason.STOP for entry in written.values()
    )
    engine.close()


def test_a_delay_is_part_of_the_estimate() -> None:
    engine = _engine(Script(words=10, delay_s=0.5))
    assert engine.estimate_s("tiny", prompt_tokens=0, new_tokens=100) == pytest.approx(5.0)
    assert engine.count_tokens("tiny", "one two three") == 3
    assert engine.models()[0].key == "tiny"
    engine.close()


def test_what_is_wrong_with_a_stage_is_said_at_once(engine: ScriptedEngine) -> None:
    with pytest.raises(RequestIdTaken, match="a came twice"):
        engine.submit([ask("a", "lamp"), ask("a", "desk")])
    with pytest.raises(SourceUnknown, match="b reads the output of a"):
        engine.submit([ask("b", OutputOf("a"))])
    with pytest.raises(SourcesInCircle, match="wait for one another: "):
        engine.submit([ask("a", OutputOf("b")), ask("b", OutputOf("a"))])
    engine.unload("tiny")
    with pytest.raises(ModelNotLoaded):
        engine.submit([ask("a", "lamp")])


def test_a_model_unloaded_while_a_request_waits_fails_that_request() -> None:
    gate = threading.Event()
    engine = _engine(Script(words=1, before_token=lambda _id, _position: gate.wait(5) and None))
    stage = engine.submit([ask("a", "lamp"), ask("b", "desk")])
    engine.unload("tiny")
    gate.set()
    finish = collect(stage)["b"].finish
    assert finish is not None
    assert isinstance(finish.error, ModelNotLoaded)
    engine.close()
