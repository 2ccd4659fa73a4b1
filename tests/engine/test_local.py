"""The engines that run models: the same words as transformers, streamed, stopped, resumed."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from inferencecloud.engine import (
    Engine,
    EngineClosed,
    FinishReason,
    GenerationFailed,
    Message,
    ModelNotLoaded,
    OutputOf,
    Request,
    Resume,
    Role,
    Sampling,
    Text,
)
from inferencecloud.engine.local import (
    EngineConfig,
    InvalidConfig,
    ModelKeyTaken,
    PromptTooLong,
    TransformersEngine,
)
from tests.engine.asking import ask, collect, write
from tests.engine.conftest import KEY

PROMPTS = (
    "Meet the lamp",
    "Price: $49.50",
    "東京 🙂",
    "A warm light for long evenings, at home " * 3,
)


def _reference(
    folder: Path, messages: list[dict[str, str]], new_tokens: int
) -> tuple[list[int], str]:
    """Return transformers' own greedy answer: its ids without the end, and its text."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    prompt = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    output = model.generate(**prompt, max_new_tokens=new_tokens, do_sample=False)
    ids = output[0, prompt["input_ids"].shape[1] :].tolist()
    if ids[-1] == tokenizer.eos_token_id:
        ids = ids[:-1]
    return ids, tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_streaming_equals_transformers_generate(
    engine: Engine, tiny_artifact: Path, prompt: str
) -> None:
    written = write(engine, ask("a", prompt, sampling=Sampling(max_new_tokens=40)))
    ids, text = _reference(tiny_artifact, [{"role": "user", "content": prompt}], 40)
    assert written.token_ids == ids
    assert written.text == text.replace("\ufffd", "")
    assert written.deltas > 10


def test_system_and_user_messages_go_through_the_chat_template(
    engine: Engine, tiny_artifact: Path
) -> None:
    request = Request(
        id="a",
        model=KEY,
        messages=(
            Message(Role.SYSTEM, (Text("You write "), Text("warmly."))),
            Message(Role.USER, (Text("Meet the lamp"),)),
        ),
        sampling=Sampling(max_new_tokens=16),
    )
    chat = [
        {"role": "system", "content": "You write warmly."},
        {"role": "user", "content": "Meet the lamp"},
    ]
    assert write(engine, request).token_ids == _reference(tiny_artifact, chat, 16)[0]


def test_text_that_reads_like_a_special_token_stays_text(engine: Engine) -> None:
    plain = engine.count_tokens(KEY, "<|end|>")
    assert plain > 1


def test_a_seed_reproduces_a_text_and_another_changes_it(engine: Engine) -> None:
    def with_seed(seed: int) -> str:
        return write(
            engine, ask("a", "lamp", sampling=Sampling(temperature=1.0, top_p=0.95, seed=seed))
        ).text

    assert with_seed(7) == with_seed(7)
    assert with_seed(7) != with_seed(8)


@settings(max_examples=25, deadline=None)
@given(
    cut=st.integers(0, 29), seed=st.integers(0, 5), stop=st.sampled_from([(), ("e",), ("a", "the")])
)
def test_a_resumed_text_is_the_uninterrupted_text(
    engine: Engine, cut: int, seed: int, stop: tuple[str, ...]
) -> None:
    sampling = Sampling(
        temperature=0.9, top_p=0.9, seed=seed, max_new_tokens=30, max_chars=60, stop=stop
    )
    whole, checkpoints = "", [("", ())]
    ids: tuple[int, ...] = ()
    for delta in engine.submit([ask("a", "Grüße", sampling=sampling)]):
        whole, ids = whole + delta.text, ids + delta.token_ids
        checkpoints.append((whole, ids))
    text, seen = checkpoints[min(cut, len(checkpoints) - 1)]
    resumed = write(
        engine, ask("a", "Grüße", sampling=sampling, resume=Resume(token_ids=seen, text=text))
    )
    assert text + resumed.text == whole
    assert seen + tuple(resumed.token_ids) == ids


def test_a_text_alone_is_gone_on_with(engine: Engine) -> None:
    resumed = write(engine, ask("a", "lamp", resume=Resume(text="Meet the lamp that")))
    assert resumed.finish
    assert resumed.finish.reason.succeeded
    assert not resumed.text.startswith("Meet the lamp that")
    assert resumed.token_ids


def test_a_step_reads_what_its_source_wrote(engine: Engine) -> None:
    first = ask("a", "Meet the lamp")
    second = ask("b", "Shorten: ", OutputOf("a"), " (please)")
    shouted = ask("c", OutputOf("a", str.upper))
    written = collect(engine.submit([second, shouted, first]))
    text = written["a"].text
    assert written["b"].token_ids == write(engine, ask("x", f"Shorten: {text} (please)")).token_ids
    assert written["c"].token_ids == write(engine, ask("x", text.upper())).token_ids


def test_a_resumed_source_passes_on_its_whole_text(engine: Engine) -> None:
    whole = write(engine, ask("a", "Meet the lamp"))
    seen = tuple(whole.token_ids[:9])
    text = "".join(
        delta.text
        for delta in list(
            engine.submit([ask("a", "Meet the lamp", sampling=Sampling(max_new_tokens=9))])
        )[:9]
    )
    source = ask("a", "Meet the lamp", resume=Resume(token_ids=seen, text=text))
    written = collect(engine.submit([source, ask("b", OutputOf("a"))]))
    assert text + written["a"].text == whole.text
    assert written["b"].token_ids == write(engine, ask("x", whole.text)).token_ids


@pytest.mark.usefixtures("unhurried")
def test_cancel_stops_within_a_second_and_dependants_never_start(
    engine: Engine,
) -> None:
    long = Sampling(max_new_tokens=240, temperature=1.0, stop=("\x00",))
    stage = engine.submit([ask("a", "lamp", sampling=long), ask("b", OutputOf("a"))])
    seen = []
    while not any(delta.token_ids for delta in seen):
        seen += stage.poll(timeout_s=5)
    asked = time.monotonic()
    stage.cancel("a")
    seen += list(stage)
    assert time.monotonic() - asked < 1.0
    ends = {delta.request_id: delta.finish.reason for delta in seen if delta.finish}
    assert ends == {"a": FinishReason.CANCELLED, "b": FinishReason.SOURCE_MISSING}
    assert not any(delta.text or delta.token_ids for delta in seen if delta.request_id == "b")


def test_max_new_tokens_ends_with_length(engine: Engine) -> None:
    written = write(engine, ask("a", "lamp", sampling=Sampling(max_new_tokens=3)))
    assert written.finish
    assert written.finish.reason is FinishReason.LENGTH
    assert written.finish.new_tokens == 3 == len(written.token_ids)
    assert written.finish.prompt_tokens > 3
    assert written.finish.first_token_s is not None


def test_max_chars_ends_with_chars(engine: Engine) -> None:
    written = write(engine, ask("a", "lamp", sampling=Sampling(max_chars=20, max_new_tokens=200)))
    assert written.finish
    assert written.finish.reason is FinishReason.CHARS
    assert 0 < len(written.text) <= 20


def test_a_stop_string_is_not_part_of_the_text(engine: Engine) -> None:
    whole = write(engine, ask("a", "lamp", sampling=Sampling(max_new_tokens=60))).text
    stop = whole[7:9]
    sampling = Sampling(max_new_tokens=60, stop=(stop,))
    written = write(engine, ask("a", "lamp", sampling=sampling))
    assert written.text == whole[: whole.index(stop)]
    assert written.finish
    assert written.finish.reason is FinishReason.STOP


def test_the_context_bounds_the_answer(engine: Engine) -> None:
    sampling = Sampling(temperature=1.0, seed=3, max_new_tokens=5000)
    written = write(engine, ask("a", "lamp " * 70, sampling=sampling))
    assert written.finish
    assert written.finish.prompt_tokens + written.finish.new_tokens <= 256


def test_a_prompt_too_long_fails_alone_and_says_the_numbers(engine: Engine) -> None:
    written = collect(engine.submit([ask("long", "lamp " * 300), ask("short", "lamp")]))
    failed = written["long"].finish
    assert failed
    assert failed.reason is FinishReason.FAILED
    assert isinstance(failed.error, PromptTooLong)
    assert "255" in str(failed.error)
    assert written["short"].finish
    assert written["short"].finish.reason.succeeded


def test_a_request_that_breaks_fails_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_named: object) -> int:
        raise RuntimeError("NaN in the logits")

    with monkeypatch.context() as patch:
        patch.setattr("inferencecloud.engine.sampling.Sampler.choose", broken)
        sampling = Sampling(temperature=1.0, max_new_tokens=24)
        finish = write(engine, ask("a", "lamp", sampling=sampling)).finish
    assert finish
    assert isinstance(finish.error, GenerationFailed)
    assert "NaN in the logits" in str(finish.error)
    assert write(engine, ask("b", "lamp")).finish.reason.succeeded  # type: ignore[union-attr]


def test_a_change_to_a_text_that_breaks_fails_its_request_alone(engine: Engine) -> None:
    def broken(_text: str) -> str:
        raise ValueError("no first sentence")

    written = collect(engine.submit([ask("a", "lamp"), ask("b", OutputOf("a", broken))]))
    assert written["a"].finish.reason.succeeded  # type: ignore[union-attr]
    assert written["b"].finish.reason is FinishReason.FAILED  # type: ignore[union-attr]
    assert "no first sentence" in str(written["b"].finish.error)  # type: ignore[union-attr]


def test_many_threads_may_submit_at_once(engine: Engine) -> None:
    alone = write(engine, ask("a", "lamp")).text
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.append(write(engine, ask("a", "lamp")).text))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [alone] * 6


def test_speed_is_measured_and_makes_an_estimate(engine: Engine) -> None:
    info = engine.models()[0]
    assert info.decode_tokens_per_s > 0
    assert info.prefill_tokens_per_s > 0
    short = engine.estimate_s(KEY, prompt_tokens=10, new_tokens=10)
    assert 0 < short < engine.estimate_s(KEY, prompt_tokens=10, new_tokens=100)


def test_loading_again_is_free_and_another_model_needs_another_key(
    engine: Engine, tiny_artifact: Path, tmp_path: Path
) -> None:
    from inferencecloud.artifacts.manifest import write_manifest

    assert engine.load(tiny_artifact, key=KEY) is engine.models()[0]
    other = shutil.copytree(tiny_artifact, tmp_path / "other")
    write_manifest(other, name="other", licence="none")
    with pytest.raises(ModelKeyTaken, match="tiny"):
        engine.load(other, key=KEY)


def test_an_unloaded_model_is_named_in_the_refusal(tiny_artifact: Path) -> None:
    engine = TransformersEngine(EngineConfig(threads=1))
    try:
        engine.load(tiny_artifact, key="k")
        engine.unload("k")
        with pytest.raises(ModelNotLoaded, match="k is not loaded; loaded: none"):
            engine.submit([ask("a", "lamp", model="k")])
    finally:
        engine.close()


def test_a_closed_engine_takes_no_work(tiny_artifact: Path) -> None:
    engine = TransformersEngine(EngineConfig(threads=1))
    engine.load(tiny_artifact, key="tiny")
    stage = engine.submit(
        [ask("a", "lamp", sampling=Sampling(max_new_tokens=200)), ask("b", OutputOf("a"))]
    )
    engine.close()
    ends = {delta.request_id: delta.finish for delta in stage if delta.finish}
    assert set(ends) == {"a", "b"}
    with pytest.raises(EngineClosed):
        engine.submit([ask("c", "lamp")])


@pytest.mark.parametrize("config", [{"threads": 0}, {"prefill_chunk_tokens": 0}])
def test_settings_out_of_range_are_refused(config: dict[str, int]) -> None:
    with pytest.raises(InvalidConfig, match="at least 1, got 0"):
        EngineConfig(**config)


def test_one_core_is_left_to_the_web_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(8)))
    assert EngineConfig().resolved_threads() == 7
    assert EngineConfig(threads=3).resolved_threads() == 3
    assert EngineConfig(device="cuda").resolved_device() == "cuda"
