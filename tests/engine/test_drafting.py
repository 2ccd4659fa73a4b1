"""Drafts: guessed from what stands in the text, checked by the model, never a change to what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inferencecloud.engine import Message, Request, Role, Sampling, Text
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.drafting import Lookup, StepCost, measured
from inferencecloud.engine.scheduler import Limits
from tests.engine.asking import collect
from tests.engine.conftest import KEY

CHEAP = StepCost(step_s=1.0, token_s=1e-6)  # a machine on which every draft pays
PROMPTS = (
    "lamp lamp lamp lamp lamp lamp",
    "A warm light, a warm light, a warm",
    "Grüße Grüße Grüße",
)


def _engine(folder: Path, draft_tokens: int, kv_bytes: int = 2**20) -> BatchingEngine:
    limits = Limits(draft_tokens=draft_tokens)
    engine = BatchingEngine(
        BatchingConfig(threads=1, device="cpu", limits=limits, kv_bytes=kv_bytes)
    )
    engine.load(folder, key=KEY)
    engine._lanes[KEY].scheduler.cost = CHEAP
    return engine


@pytest.fixture(scope="module")
def drafting(tiny_artifact: Path) -> Iterator[BatchingEngine]:
    engine = _engine(tiny_artifact, 4)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def plain(tiny_artifact: Path) -> Iterator[BatchingEngine]:
    engine = _engine(tiny_artifact, 0)
    yield engine
    engine.close()


def _requests(sampling: Sampling) -> list[Request]:
    return [
        Request(
            id=prompt,
            model=KEY,
            messages=(Message(Role.USER, (Text(prompt),)),),
            sampling=sampling,
        )
        for prompt in PROMPTS
    ]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_new_tokens=120),
        Sampling(max_new_tokens=7),
        Sampling(max_new_tokens=90, temperature=0.3, top_p=0.8, seed=5),
        Sampling(max_new_tokens=90, stop=("e", "th")),
        Sampling(max_new_tokens=90, max_chars=33),
        Sampling(max_new_tokens=90, repetition_penalty=1.1, logprobs=2),
        Sampling(max_new_tokens=90, no_repeat_ngram_size=3),
    ],
    ids=["greedy", "short", "drawn", "stop", "chars", "penalty", "no repeats"],
)
def test_a_draft_changes_no_text(
    drafting: BatchingEngine, plain: BatchingEngine, sampling: Sampling
) -> None:
    wanted = collect(plain.submit(_requests(sampling)))
    got = collect(drafting.submit(_requests(sampling)))
    for name, entry in wanted.items():
        assert got[name].token_ids == entry.token_ids
        assert got[name].text == entry.text
        assert got[name].finish.reason == entry.finish.reason  # type: ignore[union-attr]
        assert got[name].finish.new_tokens == entry.finish.new_tokens  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong_every", [0, 2, 3])
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_what_a_draft_holds_saves_its_steps(
    drafting: BatchingEngine,
    plain: BatchingEngine,
    monkeypatch: pytest.MonkeyPatch,
    wrong_every: int,
    temperature: float,
) -> None:
    """Drafts by somebody who knows the text, and errs now and then."""
    requests = _requests(Sampling(max_new_tokens=100, temperature=temperature, seed=3))
    wanted = collect(plain.submit(requests))
    texts = [tuple(entry.token_ids) for entry in wanted.values()]

    def foretell(_self: Lookup, token_ids: list[int], most: int) -> tuple[int, ...]:
        for text in texts:
            for said in range(len(text) - 1, 0, -1):
                if tuple(token_ids[-said:]) == text[:said]:
                    guess = list(text[said : said + most])
                    if wrong_every and said % wrong_every == 0 and guess:
                        guess[-1] = 3
                    return tuple(guess)
        return ()

    monkeypatch.setattr(Lookup, "draft", foretell)
    before = drafting.metrics()
    for request in requests:
        got = collect(drafting.submit([request]))[request.id]
        assert got.token_ids == wanted[request.id].token_ids
    after = drafting.metrics()
    held = after.held_tokens - before.held_tokens
    written = after.generated_tokens - before.generated_tokens
    assert held > written // 4
    assert after.steps - before.steps <= written - held + 2 * len(requests)
    assert after.kv_blocks_used == 0


def test_a_draft_displaces_nobody(tiny_artifact: Path) -> None:
    """A memory of one context: what a draft would need is not there, and is not taken from others."""
    engine = _engine(tiny_artifact, 4, kv_bytes=17 * 8192)
    try:
        collect(engine.submit(_requests(Sampling(max_new_tokens=40))))
        assert engine.metrics().preemptions == 0
        assert engine.metrics().kv_blocks_used == 0
    finally:
        engine.close()


def test_the_tokens_that_followed_before_are_the_draft() -> None:
    lookup = Lookup()
    assert lookup.draft([1, 2, 3, 4, 5, 1, 2], 3) == ()
    assert lookup.draft([1, 2, 3, 4, 5, 1, 2, 3], 3) == (4, 5, 1)
    assert lookup.draft([1, 2, 3, 4, 5, 1, 2, 3], 0) == ()
    assert lookup.draft([1, 2, 3, 4, 5, 1, 2, 3, 9, 1, 2, 3], 3) == (9, 1, 2), (
        "the last place counts"
    )


def test_hope_falls_with_drafts_that_fail_and_comes_back_slowly() -> None:
    lookup = Lookup()
    for _ in range(8):
        lookup.learn(4, 0)
    low = lookup.hope
    assert low < 0.1
    for _ in range(10):
        lookup.recover()
    assert low < lookup.hope < 0.5
    lookup.learn(4, 4)
    assert lookup.hope > 0.2


@pytest.mark.parametrize(
    ("hope", "writers", "pays"),
    [(0.5, 1, True), (0.05, 1, False), (0.5, 64, False), (0.9, 8, True)],
)
def test_a_draft_pays_where_it_saves_more_than_it_costs(
    hope: float, writers: int, *, pays: bool
) -> None:
    cost = measured(0.030, 0.042, tokens=5)  # 27 ms for a step, 3 ms for each token
    assert cost.token_s == pytest.approx(0.003)
    assert cost.step_s == pytest.approx(0.027)
    assert cost.pays(hope, writers) is pays
