"""Draft models: whatever they guess, the text is the model's own, and what does not pay is not asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from inferencecloud.artifacts.manifest import write_manifest
from inferencecloud.engine import Limit, Message, Request, Role, Sampling, Text
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.drafting import Lookup, StepCost
from inferencecloud.engine.speculation import DraftMismatch, DraftModel
from tests.engine.asking import collect
from tests.engine.conftest import KEY

CHEAP = StepCost(step_s=1.0, token_s=1e-6)  # a machine on which every guess pays
FREE = StepCost(step_s=1e-6, token_s=1e-6)
PROMPTS = ("The lamp that", "A warm light for long", "Grüße aus Köln")

Open = Callable[..., BatchingEngine]


@pytest.fixture(autouse=True)
def _nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lookup, "draft", lambda *_args: ())


@pytest.fixture(scope="module")
def other_artifact(tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model, smaller, with a shorter context and the same tokenizer."""
    folder = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(tiny_artifact, folder)
    size = LlamaConfig.from_pretrained(folder).vocab_size
    torch.manual_seed(8)
    config = LlamaConfig(
        vocab_size=size + 8,  # padded otherwise
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=96,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "manifest.json").unlink()
    write_manifest(folder, name="other", licence="none")
    return folder


@pytest.fixture
def open_engine(tiny_artifact: Path) -> Iterator[Open]:
    """Return what opens an engine on which every guess of the given draft model pays."""
    engines: list[BatchingEngine] = []

    def open_one(draft: Path | None = None, **settings: object) -> BatchingEngine:
        drafts = {} if draft is None else {"tiny": draft}
        engine = BatchingEngine(
            BatchingConfig(threads=1, device="cpu", drafts=drafts, **settings)  # type: ignore[arg-type]
        )
        engines.append(engine)
        engine.load(tiny_artifact, key=KEY)
        engine._lanes[KEY].scheduler.cost = CHEAP
        if draft is not None:
            model_of(engine)._cost = FREE
        return engine

    yield open_one
    for engine in engines:
        engine.close()


def model_of(engine: BatchingEngine) -> DraftModel:
    model = engine._lanes[KEY].draft_model
    assert model is not None
    return model


def requests(sampling: Sampling) -> list[Request]:
    return [
        Request(
            id=prompt,
            model=KEY,
            messages=(Message(Role.USER, (Text(prompt),)),),
            sampling=sampling,
        )
        for prompt in PROMPTS
    ]


@pytest.mark.parametrize("is_own", [False, True], ids=["another", "the model itself"])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_new_tokens=120),
        Sampling(max_new_tokens=80, temperature=0.7, top_p=0.9, seed=5),
        Sampling(max_new_tokens=60, repetition_penalty=1.1, logprobs=2),
        Sampling(max_new_tokens=60, stop=("e", "th")),
        Sampling(max_new_tokens=60, banned=("lamp", "light")),
        Sampling(max_new_tokens=60, required=("a velvet lamp", "light")),
        Sampling(max_new_tokens=60, length=Limit(unit="words", low=8, high=12)),
        Sampling(max_new_tokens=60, json_schema='{"type": "object"}'),
    ],
    ids=["greedy", "drawn", "penalty", "stop", "banned", "required", "length", "schema"],
)
def test_a_guess_changes_no_text(
    open_engine: Open,
    tiny_artifact: Path,
    other_artifact: Path,
    *,
    is_own: bool,
    sampling: Sampling,
) -> None:
    wanted = collect(open_engine().submit(requests(sampling)))
    engine = open_engine(tiny_artifact if is_own else other_artifact)
    got = collect(engine.submit(requests(sampling)))
    for name, entry in wanted.items():
        assert got[name].token_ids == entry.token_ids
        assert got[name].text == entry.text
        assert got[name].finish.reason == entry.finish.reason  # type: ignore[union-attr]
    assert model_of(engine).pool.used == 0
    assert engine.metrics().kv_blocks_used == 0


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_who_guesses_like_the_model_saves_four_steps_of_five(
    open_engine: Open, tiny_artifact: Path, temperature: float
) -> None:
    engine = open_engine(tiny_artifact)
    asked = requests(Sampling(max_new_tokens=60, temperature=temperature, seed=2))
    before = engine.metrics()
    collect(engine.submit(asked))
    after = engine.metrics()
    drafted = after.drafted_tokens - before.drafted_tokens
    written = after.generated_tokens - before.generated_tokens
    assert after.held_tokens - before.held_tokens > 0.9 * drafted
    assert after.held_tokens - before.held_tokens > 0.7 * written


def test_who_guesses_badly_is_asked_no_more(open_engine: Open, other_artifact: Path) -> None:
    engine = open_engine(other_artifact)
    lane = engine._lanes[KEY]
    lane.scheduler.cost = StepCost(step_s=1.0, token_s=0.2)  # a guess must hold one time in five
    collect(engine.submit(requests(Sampling(max_new_tokens=90, temperature=1.0, seed=1))))
    metrics = engine.metrics()
    assert 0 < metrics.drafted_tokens < metrics.generated_tokens / 2


def test_a_guess_that_costs_more_than_it_saves_is_not_made(
    open_engine: Open, tiny_artifact: Path
) -> None:
    engine = open_engine(tiny_artifact)
    model_of(engine)._cost = StepCost(step_s=2.0, token_s=1e-6)
    collect(engine.submit([requests(Sampling(max_new_tokens=40))[0]]))
    assert engine.metrics().drafted_tokens == 0


def test_a_draft_model_without_room_guesses_for_some(
    open_engine: Open, tiny_artifact: Path
) -> None:
    """Its memory holds one text; the others are written all the same."""
    engine = open_engine(tiny_artifact, kv_bytes=4 * 16 * 8192)
    wanted = collect(open_engine().submit(requests(Sampling(max_new_tokens=120))))
    got = collect(engine.submit(requests(Sampling(max_new_tokens=120))))
    assert {n: e.token_ids for n, e in got.items()} == {n: e.token_ids for n, e in wanted.items()}
    assert engine.metrics().held_tokens > 0
    assert model_of(engine).pool.used == 0


def test_behind_its_context_it_is_silent(open_engine: Open, other_artifact: Path) -> None:
    engine = open_engine(other_artifact)
    asked = requests(Sampling(max_new_tokens=200, temperature=0.5, seed=4))
    wanted = collect(open_engine().submit(asked))
    got = collect(engine.submit(asked))
    assert {n: e.token_ids for n, e in got.items()} == {n: e.token_ids for n, e in wanted.items()}
    assert max(e.finish.new_tokens for e in got.values() if e.finish) > 100


def test_what_breaks_in_a_guess_breaks_nothing_else(
    open_engine: Open, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(tiny_artifact)

    def burst(*_args: object) -> None:
        raise RuntimeError("no")

    wanted = collect(open_engine().submit(requests(Sampling(max_new_tokens=30))))
    monkeypatch.setattr(model_of(engine)._runner, "run", burst)
    got = collect(engine.submit(requests(Sampling(max_new_tokens=30))))
    assert {n: e.token_ids for n, e in got.items()} == {n: e.token_ids for n, e in wanted.items()}
    assert engine.metrics().drafted_tokens == 0
    assert model_of(engine)._cost is None


def test_another_tokenizer_is_refused(
    open_engine: Open, tiny_artifact: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "foreign"
    shutil.copytree(tiny_artifact, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "manifest.json").unlink()
    write_manifest(folder, name="foreign", licence="none")
    with pytest.raises(DraftMismatch, match="foreign to guess for tiny, but its tokenizer"):
        open_engine(folder)


def test_its_cost_is_measured_when_it_is_loaded(tiny_artifact: Path) -> None:
    config = BatchingConfig(threads=1, device="cpu", drafts={"tiny": tiny_artifact})
    engine = BatchingEngine(config)
    try:
        engine.load(tiny_artifact, key=KEY)
        model, lane = model_of(engine), engine._lanes[KEY]
        sequence = lane._rehearsal([1] * 80)
        lane.scheduler.remove(sequence)
        sequence.answer_limit = 20
        long = model.guess_s(sequence, 1)
        sequence.token_ids, sequence.prompt_tokens = [1] * 8, 8
        assert 0 < model.guess_s(sequence, 4) < model.guess_s(sequence, 1) < long < 1
        assert model_of(engine).pool.used == 0
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("hope", "guess_s", "length"),
    [(1.0, 0.0, 4), (0.5, 0.0, 3), (0.5, 0.3, 1), (0.2, 0.3, 0), (1.0, 2.0, 0)],
)
def test_so_many_are_guessed_as_are_worth_it(hope: float, guess_s: float, length: int) -> None:
    """A token saves a step of 1.1 s when it holds, and costs 0.1 s and what guessing it takes."""
    cost = StepCost(step_s=1.0, token_s=0.1)
    assert cost.length(hope, 1, guess_s=guess_s, most=4) == length
