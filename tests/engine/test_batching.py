"""Many in one batch write what each would write alone, and the engine lives through what happens to it."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from inferencecloud.artifacts.manifest import write_manifest
from inferencecloud.engine import (
    FinishReason,
    GenerationFailed,
    Message,
    ModelNotLoaded,
    OutputOf,
    Request,
    Role,
    Sampling,
    Text,
)
from inferencecloud.engine.batching import BatchingEngine, DeadlineExceeded
from inferencecloud.engine.config import BatchingConfig, KvBitsUnsupported, KvMemoryTooSmall
from inferencecloud.engine.local import InvalidConfig
from inferencecloud.engine.runner import PagedRunner
from inferencecloud.engine.scheduler import Limits
from inferencecloud.engine.span import Span
from inferencecloud.training.tokens import train_tokenizer
from tests.engine.asking import ask, collect, write
from tests.engine.briefing import chain, expect_all
from tests.engine.conftest import CORPUS, KEY
from tests.engine.exactness import Reference


@pytest.fixture(scope="module")
def reference(tiny_artifact: Path) -> Reference:
    return Reference(tiny_artifact)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32),
    blocks=st.integers(17, 64),
    sequences=st.integers(1, 8),
    prefill=st.integers(1, 64),
)
def test_no_schedule_changes_a_text(
    tiny_artifact: Path, reference: Reference, seed: int, blocks: int, sequences: int, prefill: int
) -> None:
    chance = random.Random(seed)
    limits = Limits(sequences=sequences, prefill_tokens=prefill, mixed_tokens=max(1, prefill // 2))
    # A block of the tiny model: 2 (k, v) x 2 layers x 2 heads x 16 wide x 16 tokens x 4 bytes.
    config = BatchingConfig(threads=1, device="cpu", limits=limits, kv_bytes=blocks * 8192)
    engine = BatchingEngine(config)
    try:
        engine.load(tiny_artifact, key=KEY)
        stages = []
        for number in range(chance.randint(2, 6)):
            requests = chain(f"Meet the lamp {number % 3}")
            stages.append((requests, engine.submit(requests)))
            time.sleep(chance.random() * 0.01)
        for requests, stage in stages:
            expect_all(reference, requests, collect(stage))
        assert engine.metrics().kv_blocks_used == 0
        assert engine.metrics().running == engine.metrics().waiting == 0
    finally:
        engine.close()


def test_a_seeded_text_does_not_depend_on_who_else_writes(batching: BatchingEngine) -> None:
    sampling = Sampling(temperature=0.9, top_p=0.9, seed=11, max_new_tokens=40)
    alone = write(batching, ask("x", "Price: $49.50", sampling=sampling))
    others = [
        ask(str(n), f"lamp {n}", sampling=Sampling(temperature=1, seed=n, max_new_tokens=30))
        for n in range(20)
    ]
    among = collect(batching.submit([*others, ask("x", "Price: $49.50", sampling=sampling)]))
    assert among["x"].token_ids == alone.token_ids


def test_a_reader_writes_in_the_step_after_its_source_has_ended(
    batching: BatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[list[tuple[str, int]]] = []
    run = PagedRunner.run

    def watched(self: PagedRunner, spans: list[Span]) -> Tensor:
        steps.append(
            [(span.sequence.request.id, span.tokens) for span in spans if span.brings_token]
        )
        return run(self, spans)

    monkeypatch.setattr(PagedRunner, "run", watched)
    written = collect(batching.submit(chain("Grüße aus Köln")))
    assert written["d"].finish.reason.succeeded  # type: ignore[union-attr]

    def brought(request_id: str) -> list[int]:
        return [n for n, step in enumerate(steps) if request_id in {name for name, _ in step}]

    # Those who read one source begin together, one step after the one that brought its end.
    assert brought("b")[0] == brought("c")[0] == brought("a")[-1] + 1
    assert brought("d")[0] == max(brought("b")[-1], brought("c")[-1]) + 1


def test_most_of_a_source_is_read_before_it_has_ended(
    batching: BatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: dict[str, int] = {}
    run = PagedRunner.run

    def watched(self: PagedRunner, spans: list[Span]) -> Tensor:
        for span in spans:
            if span.brings_token:
                first.setdefault(span.sequence.request.id, span.tokens)
        return run(self, spans)

    monkeypatch.setattr(PagedRunner, "run", watched)
    long = ask("a", "A long letter about lamps", sampling=Sampling(max_new_tokens=100))
    written = collect(batching.submit([long, ask("b", "Shorten: ", OutputOf("a"))]))
    assert written["a"].finish.new_tokens > 40  # type: ignore[union-attr]
    assert first["b"] < 20, "tokens left to read when the source had ended"


def test_what_one_has_read_the_next_of_its_house_finds(tiny_artifact: Path) -> None:
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu"))
    try:
        engine.load(tiny_artifact, key=KEY)
        before = engine.metrics()
        assert (before.prefix_query_tokens, before.generated_tokens) == (0, 0), "warm-up counts not"
        voice = "Meet the lamp that reads with you. " * 6

        def one(request_id: str, owner: str) -> Request:
            return Request(
                id=request_id,
                model=KEY,
                messages=(Message(Role.USER, (Text(voice + request_id),)),),
                owner=owner,
            )

        collect(engine.submit([one("a", "acme")]))
        assert engine.metrics().prefix_hit_tokens == 0
        collect(engine.submit([one("b", "acme")]))
        hit = engine.metrics().prefix_hit_tokens
        assert hit > 40
        collect(engine.submit([one("b", "another house")]))
        assert engine.metrics().prefix_hit_tokens == hit
    finally:
        engine.close()


def test_a_deadline_ends_a_request_and_says_so(batching: BatchingEngine) -> None:
    late = Request(
        id="late",
        model=KEY,
        messages=(Message(Role.USER, (Text("lamp"),)),),
        sampling=Sampling(max_new_tokens=240, temperature=1.0, stop=("\x00",)),
        deadline_s=0.001,
    )
    written = collect(
        batching.submit([late, ask("reader", OutputOf("late")), ask("other", "lamp")])
    )
    finish = written["late"].finish
    assert finish
    assert isinstance(finish.error, DeadlineExceeded)
    assert "within 0.001 s" in str(finish.error)
    assert written["reader"].finish.reason is FinishReason.SOURCE_MISSING  # type: ignore[union-attr]
    assert written["other"].finish.reason.succeeded  # type: ignore[union-attr]


def test_a_step_that_breaks_ends_the_culprit_alone(
    batching: BatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = PagedRunner.run

    def breaks(self: PagedRunner, spans: list[Span]) -> Tensor:
        if any(span.sequence.request.id == "bad" for span in spans):
            raise RuntimeError("no such kernel")
        return run(self, spans)

    monkeypatch.setattr(PagedRunner, "run", breaks)
    written = collect(batching.submit([ask("bad", "lamp"), ask("good", "lamp light")]))
    assert isinstance(written["bad"].finish.error, GenerationFailed)  # type: ignore[union-attr]
    assert written["good"].finish.reason.succeeded  # type: ignore[union-attr]
    monkeypatch.undo()
    assert written["good"].token_ids == write(batching, ask("x", "lamp light")).token_ids


def test_scores_that_are_no_numbers_end_their_request_alone(
    batching: BatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = PagedRunner.run

    def poisoned(self: PagedRunner, spans: list[Span]) -> Tensor:
        logits = run(self, spans).clone()
        names = [span.sequence.request.id for span in spans if span.brings_token]
        for row, name in enumerate(names):
            if name == "bad":
                logits[row, 3] = torch.nan
        return logits

    monkeypatch.setattr(PagedRunner, "run", poisoned)
    written = collect(batching.submit([ask("good", "lamp light"), ask("bad", "lamp")]))
    assert "not finite" in str(written["bad"].finish.error)  # type: ignore[union-attr]
    assert written["good"].finish.reason.succeeded  # type: ignore[union-attr]


def test_without_memory_for_a_step_the_steps_become_smaller(
    tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = PagedRunner.run

    def narrow(self: PagedRunner, spans: list[Span]) -> Tensor:
        if sum(span.tokens for span in spans) > 40:
            raise RuntimeError(
                "DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"
            )
        return run(self, spans)

    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu"))
    try:
        engine.load(tiny_artifact, key=KEY)
        alone = write(engine, ask("a", "lamp " * 60)).token_ids
        monkeypatch.setattr(PagedRunner, "run", narrow)
        assert write(engine, ask("b", " lamp" * 60)).finish.reason.succeeded  # type: ignore[union-attr]
        assert write(engine, ask("a", "lamp " * 60)).token_ids == alone
        assert engine.metrics().memory_failures > 0
    finally:
        engine.close()


def test_an_unloaded_model_takes_its_requests_with_it(tiny_artifact: Path) -> None:
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu"))
    try:
        engine.load(tiny_artifact, key=KEY)
        long = Sampling(max_new_tokens=240, temperature=1.0, stop=("\x00",))
        stage = engine.submit([ask("a", "lamp", sampling=long), ask("b", OutputOf("a"))])
        engine.unload(KEY)
        ends = {delta.request_id: delta.finish for delta in stage if delta.finish}
        assert isinstance(ends["a"].error, ModelNotLoaded)
        assert ends["b"].reason is FinishReason.SOURCE_MISSING
    finally:
        engine.close()


def test_the_model_unused_for_longest_makes_room(tiny_artifact: Path) -> None:
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu", models_kept=2))
    try:
        for key in ("one", "two"):
            engine.load(tiny_artifact, key=key)
        write(engine, ask("a", "lamp", model="one"))
        engine.load(tiny_artifact, key="three")
        assert {info.key for info in engine.models()} == {"one", "three"}
    finally:
        engine.close()


def test_an_unknown_architecture_runs_through_transformers_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "neox"
    tokenizer = train_tokenizer(CORPUS * 4, vocabulary=400, context_tokens=128)
    torch.manual_seed(2)
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
        initializer_range=0.3,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    GPTNeoXForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(str(folder))
    write_manifest(folder, name="neox", licence="none")
    engine = BatchingEngine(
        BatchingConfig(threads=1, device="cpu", limits=Limits(prefill_tokens=8, mixed_tokens=4))
    )
    try:
        engine.load(folder, key=KEY)
        assert "neox runs through plain transformers" in caplog.text
        requests = chain()
        expect_all(Reference(folder), requests, collect(engine.submit(requests)))
    finally:
        engine.close()


def test_a_cancel_is_heard_while_hundreds_wait(batching: BatchingEngine) -> None:
    long = Sampling(max_new_tokens=200, temperature=1.0, stop=("\x00",))
    stage = batching.submit([ask(str(n), f"lamp {n}", sampling=long) for n in range(300)])
    while not any(delta.token_ids for delta in stage.poll(timeout_s=5)):
        pass
    asked = time.monotonic()
    stage.cancel()
    ends = [delta.finish for delta in stage if delta.finish]
    assert time.monotonic() - asked < 1.0
    assert len(ends) == 300
    assert sum(finish.reason is FinishReason.CANCELLED for finish in ends) > 200
    assert batching.metrics().kv_blocks_used == 0


@pytest.mark.parametrize("wrong", [{"kv_bytes": 0}, {"models_kept": 0}, {"threads": 0}])
def test_settings_of_the_batching_engine_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidConfig, match="at least 1, got 0"):
        BatchingConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [0, 4, 12, 64])
def test_bits_that_keys_and_values_cannot_have_are_refused(bits: int) -> None:
    with pytest.raises(KvBitsUnsupported, match=rf"8, or .*16 or 32.*got {bits}"):
        BatchingConfig(kv_bits=bits)


def test_bits_of_another_type_than_the_models_are_refused(tiny_artifact: Path) -> None:
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu", kv_bits=16))
    try:
        with pytest.raises(KvBitsUnsupported, match=r"here 32.*got 16"):
            engine.load(tiny_artifact, key=KEY)
    finally:
        engine.close()


def test_a_memory_too_small_for_one_context_is_refused(tiny_artifact: Path) -> None:
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu", kv_bytes=8192 * 3))
    try:
        with pytest.raises(KvMemoryTooSmall, match="kv_bytes must be at least"):
            engine.load(tiny_artifact, key=KEY)
    finally:
        engine.close()
