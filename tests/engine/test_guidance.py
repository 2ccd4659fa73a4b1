"""Guidance: the formula is the published one, and no engine and no schedule changes a guided text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModelForCausalLM, UnbatchedClassifierFreeGuidanceLogitsProcessor

from inferencecloud.artifacts.manifest import write_manifest
from inferencecloud.engine import (
    Engine,
    FinishReason,
    Message,
    OutputOf,
    Request,
    Resume,
    Role,
    Sampling,
    Text,
)
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.drafting import Lookup, StepCost
from inferencecloud.engine.guidance import guided
from inferencecloud.engine.loading import GUIDANCE_KEY, open_spelling, own_guidance_scale
from inferencecloud.engine.local import EngineConfig, PromptTooLong, TransformersEngine
from inferencecloud.engine.requests import InvalidSampling
from inferencecloud.engine.runner import PagedRunner
from inferencecloud.engine.sampling import Sampler
from inferencecloud.engine.scheduler import Limits
from inferencecloud.engine.serial import Turn
from inferencecloud.engine.service.parsing import Served, parse
from inferencecloud.engine.span import Span
from tests.engine.asking import ask, collect, write
from tests.engine.conftest import KEY

SCALE = 2.5
PROMPTS = ("The lamp that", "A warm light for long", "Grüße aus Köln", "Price: $49.50")
GREEDY = Sampling(max_new_tokens=40, guidance_scale=SCALE)
DRAWN = Sampling(
    max_new_tokens=40,
    guidance_scale=SCALE,
    temperature=0.8,
    top_p=0.9,
    repetition_penalty=1.1,
    no_repeat_ngram_size=4,
    seed=3,
)
BLOCK_BYTES = 8192  # 2 (k, v) x 2 layers x 2 heads x 16 wide x 16 tokens x 4 bytes


def logits_of(seed: int, size: int = 50) -> Tensor:
    return 3 * torch.randn(size, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 999), scale=st.floats(1, 10))
def test_the_formula_is_that_of_transformers_where_nothing_ends(seed: int, scale: float) -> None:
    logits, unprompted = logits_of(seed), logits_of(seed + 1)
    theirs = UnbatchedClassifierFreeGuidanceLogitsProcessor(scale, model=None)
    theirs.get_unconditional_logits = lambda _ids: unprompted[None, None]
    expected = theirs(torch.tensor([[1]]), logits[None].clone())[0].log_softmax(-1)
    ours = guided(logits, unprompted, scale, ends=()).log_softmax(-1)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@given(seed=st.integers(0, 999), ends=st.sets(st.integers(0, 49), max_size=3))
def test_at_a_scale_of_one_the_logits_are_the_models_own(seed: int, ends: set[int]) -> None:
    logits, unprompted = logits_of(seed), logits_of(seed + 1)
    torch.testing.assert_close(
        guided(logits, unprompted, 1.0, ends=ends), logits, rtol=1e-4, atol=1e-4
    )


@given(
    seed=st.integers(0, 999), scale=st.floats(1, 10), ends=st.sets(st.integers(0, 49), max_size=3)
)
def test_the_end_stays_as_likely_as_it_was(seed: int, scale: float, ends: set[int]) -> None:
    logits, unprompted = logits_of(seed), logits_of(seed + 1)
    before = (logits.clone(), unprompted.clone())
    chances = guided(logits, unprompted, scale, ends=ends).softmax(-1)
    for end in ends:
        assert chances[end].item() == pytest.approx(logits.softmax(-1)[end].item(), rel=1e-4)
    assert torch.equal(logits, before[0]), "the logits stay as they are"
    assert torch.equal(unprompted, before[1])


def test_what_the_prompt_makes_likelier_counts_for_more() -> None:
    with_brief, without = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.0, 2.0, 0.0])
    plain = with_brief.softmax(-1)
    chances = guided(with_brief, without, 2.0, ends=[2]).softmax(-1)
    assert chances[0] > plain[0]
    assert chances[1] < plain[1]


@pytest.mark.parametrize("scale", [0.5, 10.5, -1.0])
def test_a_scale_out_of_range_is_refused(scale: float) -> None:
    with pytest.raises(InvalidSampling, match="guidance_scale must be None or 1 to 10"):
        Sampling(guidance_scale=scale)


class Slow:
    """Writes with whole forward passes of transformers, and nothing kept between them."""

    def __init__(self, folder: Path) -> None:
        self.spelling = open_spelling(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def write(self, messages: Sequence[tuple[str, str]], sampling: Sampling) -> list[int]:
        encoder = self.spelling.encoder
        prompt = encoder.encode_chat([Turn(role, text) for role, text in messages])
        silence = encoder.encode_silence([role for role, _ in messages])
        sampler = Sampler(sampling, self.spelling.vocabulary)
        sampler.read(prompt)
        answer: list[int] = []
        while len(answer) < sampling.max_new_tokens:
            rows = [self._logits([*begin, *answer]) for begin in (prompt, silence)]
            choice = sampler.choose(rows[0], answer, unprompted=rows[1])
            if choice.token_id in self.spelling.end_ids:
                break
            answer.append(choice.token_id)
        return answer

    @torch.inference_mode()
    def _logits(self, ids: list[int]) -> Tensor:
        logits: Tensor = self.model(torch.tensor([ids])).logits[0, -1]
        return logits


@pytest.fixture(scope="module")
def slow(tiny_artifact: Path) -> Slow:
    return Slow(tiny_artifact)


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_an_engine_writes_what_the_slow_way_writes(
    engine: Engine, slow: Slow, prompt: str, sampling: Sampling
) -> None:
    written = write(engine, ask("a", prompt, sampling=sampling))
    assert written.token_ids == slow.write([("user", prompt)], sampling)
    plain = Sampling(max_new_tokens=40, guidance_scale=1.0)
    assert written.token_ids != write(engine, ask("a", prompt, sampling=plain)).token_ids


def test_a_system_message_is_silent_too(engine: Engine, slow: Slow) -> None:
    messages = (
        Message(Role.SYSTEM, (Text("You write warmly."),)),
        Message(Role.USER, (Text("Meet the lamp"),)),
    )
    request = Request(id="a", model=KEY, messages=messages, sampling=GREEDY)
    chat = [("system", "You write warmly."), ("user", "Meet the lamp")]
    assert write(engine, request).token_ids == slow.write(chat, GREEDY)


@settings(max_examples=10, deadline=None)
@given(cut=st.integers(0, 39), sampling=st.sampled_from([GREEDY, DRAWN]))
def test_a_resumed_text_is_the_uninterrupted_text(
    engine: Engine, cut: int, sampling: Sampling
) -> None:
    deltas = list(engine.submit([ask("a", "Grüße", sampling=sampling)]))
    seen = tuple(i for delta in deltas[:cut] for i in delta.token_ids)
    text = "".join(delta.text for delta in deltas[:cut])
    resume = Resume(token_ids=seen, text=text)
    resumed = write(engine, ask("a", "Grüße", sampling=sampling, resume=resume))
    assert text + resumed.text == "".join(delta.text for delta in deltas)


def guided_chain(sampling: Sampling) -> list[Request]:
    """Return requests of which some read others, some are guided and some are not."""
    plain = Sampling(max_new_tokens=20, guidance_scale=1.0)
    return [
        *(ask(prompt, prompt, sampling=sampling) for prompt in PROMPTS),
        ask("reads", "Shorten: ", OutputOf(PROMPTS[0]), sampling=sampling),
        ask("plain", "Shorten: ", OutputOf("reads"), sampling=plain),
    ]


@settings(max_examples=12, deadline=None)
@given(
    blocks=st.integers(20, 64),
    sequences=st.integers(1, 8),
    prefill=st.integers(1, 64),
    is_drafting=st.booleans(),
    sampling=st.sampled_from([GREEDY, DRAWN]),
)
def test_no_schedule_changes_a_guided_text(
    tiny_artifact: Path,
    reference: TransformersEngine,
    *,
    blocks: int,
    sequences: int,
    prefill: int,
    is_drafting: bool,
    sampling: Sampling,
) -> None:
    limits = Limits(sequences=sequences, prefill_tokens=prefill, mixed_tokens=max(1, prefill // 2))
    config = BatchingConfig(threads=1, device="cpu", limits=limits, kv_bytes=blocks * BLOCK_BYTES)
    engine = BatchingEngine(config)
    try:
        engine.load(tiny_artifact, key=KEY)
        # A machine on which every guess pays, or one that guesses nothing.
        every = StepCost(step_s=1.0, token_s=1e-6)
        engine._lanes[KEY].scheduler.cost = every if is_drafting else None
        got = collect(engine.submit(guided_chain(sampling)))
        wanted = collect(reference.submit(guided_chain(sampling)))
        assert {k: v.token_ids for k, v in got.items()} == {
            k: v.token_ids for k, v in wanted.items()
        }
        metrics = engine.metrics()
        assert metrics.kv_blocks_used == 0
        assert (metrics.drafted_tokens > 0) <= is_drafting
    finally:
        engine.close()


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
def test_drafts_are_checked_in_both_readings(
    tiny_artifact: Path, slow: Slow, monkeypatch: pytest.MonkeyPatch, sampling: Sampling
) -> None:
    """Every guess begins right, and every other one goes wrong."""
    wanted = slow.write([("user", PROMPTS[0])], sampling)

    def guess(_lookup: Lookup, ids: Sequence[int], most: int) -> tuple[int, ...]:
        said = next(n for n in range(len(wanted), -1, -1) if list(ids[-n:]) == wanted[:n] or not n)
        right = wanted[said : said + most]
        return tuple(right if said % 2 else [*right[:1], *(0 for _ in right[1:])])

    monkeypatch.setattr(Lookup, "draft", guess)
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu"))
    try:
        engine.load(tiny_artifact, key=KEY)
        engine._lanes[KEY].scheduler.cost = StepCost(step_s=1.0, token_s=1e-6)
        assert write(engine, ask("a", PROMPTS[0], sampling=sampling)).token_ids == wanted
        metrics = engine.metrics()
        assert 0 < metrics.held_tokens < metrics.drafted_tokens
    finally:
        engine.close()


def test_a_memory_without_room_for_both_readings_ends_a_text_sooner(tiny_artifact: Path) -> None:
    """One context fits this memory; an answer of 200 tokens would need another 13 blocks."""
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu", kv_bytes=16 * BLOCK_BYTES))
    try:
        engine.load(tiny_artifact, key=KEY)
        long = Sampling(max_new_tokens=200, guidance_scale=SCALE)
        written = write(engine, ask("a", "lamp " * 20, sampling=long))
        assert written.finish
        assert written.finish.reason.succeeded
        assert len(written.token_ids) < 120
        full = write(engine, ask("b", "lamp light " * 118, sampling=long))
        assert full.finish
        assert full.finish.reason is FinishReason.FAILED
        assert isinstance(full.finish.error, PromptTooLong)
        assert engine.metrics().kv_blocks_used == 0
    finally:
        engine.close()


def test_scores_that_are_no_numbers_without_the_prompt_end_their_request_alone(
    batching: BatchingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = PagedRunner.run

    def poisoned(self: PagedRunner, spans: list[Span]) -> Tensor:
        logits = run(self, spans).clone()
        bringing = [span for span in spans if span.brings_token]
        for row, span in enumerate(bringing):
            is_second = any(span is other.unprompted for other in spans)
            if is_second and span.sequence.request.id == "bad":
                logits[row, 3] = torch.nan
        return logits

    monkeypatch.setattr(PagedRunner, "run", poisoned)
    both = [ask("good", "lamp light", sampling=GREEDY), ask("bad", "lamp", sampling=GREEDY)]
    written = collect(batching.submit(both))
    assert "not finite" in str(written["bad"].finish.error)  # type: ignore[union-attr]
    monkeypatch.undo()
    alone = write(batching, ask("x", "lamp light", sampling=GREEDY)).token_ids
    assert written["good"].token_ids == alone


@pytest.fixture(scope="module", params=[TransformersEngine, BatchingEngine])
def keen(
    request: pytest.FixtureRequest, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """An engine with a model whose own settings ask for guidance."""
    folder = tmp_path_factory.mktemp("models") / "keen"
    shutil.copytree(tiny_artifact, folder)
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), GUIDANCE_KEY: SCALE}))
    (folder / "manifest.json").unlink()
    write_manifest(folder, name="keen", licence="none")
    config = EngineConfig if request.param is TransformersEngine else BatchingConfig
    engine = request.param(config(threads=1, device="cpu"))
    assert engine.load(folder, key=KEY).guidance_scale == SCALE
    yield engine
    engine.close()


def test_a_models_own_scale_holds_where_a_request_has_none(keen: Engine, slow: Slow) -> None:
    own = write(keen, ask("a", "The lamp that", sampling=Sampling(max_new_tokens=40)))
    assert own.token_ids == slow.write([("user", "The lamp that")], GREEDY)
    plain = Sampling(max_new_tokens=40, guidance_scale=1.0)
    neutral = write(keen, ask("a", "The lamp that", sampling=plain))
    assert neutral.token_ids != own.token_ids


@pytest.mark.parametrize("wrong", [0.5, 11, "much", True, None])
def test_a_scale_in_a_models_settings_that_cannot_be_is_refused(
    tmp_path: Path, wrong: object
) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps({GUIDANCE_KEY: wrong}))
    with pytest.raises(InvalidSampling, match="guidance_against_silence must be 1 to 10"):
        own_guidance_scale(tmp_path)


def test_a_model_that_says_nothing_is_not_guided(tmp_path: Path) -> None:
    assert own_guidance_scale(tmp_path) == 1
    (tmp_path / "generation_config.json").write_text(json.dumps({"guidance_scale": 3.0}))
    assert own_guidance_scale(tmp_path) == 1


@pytest.mark.parametrize(("said", "understood"), [({}, None), ({"guidance_scale": 2}, 2.0)])
def test_clients_may_ask_for_guidance(said: dict[str, float], understood: float | None) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "lamp"}], **said}
    asked = parse(json.dumps(body).encode(), {"m": Served(model="m")}, is_chat=True)
    assert asked.request.sampling.guidance_scale == understood
