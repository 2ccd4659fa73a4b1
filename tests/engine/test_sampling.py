"""The next token: greedy, within top_p, and by a chance that belongs to the position."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from inferencecloud.engine.requests import Sampling
from inferencecloud.engine.sampling import choose_token, uniform, without_repetition

VOCABULARY = 12
answers = st.lists(st.integers(0, VOCABULARY - 1), max_size=30)


def _logits(seed: int) -> torch.Tensor:
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed))


def test_temperature_zero_takes_the_likeliest() -> None:
    assert choose_token(torch.tensor([0.1, 3.0, -1.0]), Sampling(), []) == 1


@given(st.integers(0, 1000), st.integers(0, 100))
def test_chance_depends_on_seed_and_position_alone(seed: int, position: int) -> None:
    assert 0 <= uniform(seed, position) < 1
    assert uniform(seed, position) == uniform(seed, position)
    assert uniform(seed, position) != uniform(seed, position + 1)


def test_frequencies_follow_the_probabilities() -> None:
    weights = torch.tensor([0.5, 0.3, 0.15, 0.05])
    counts = torch.zeros(4)
    for position in range(4000):
        counts[choose_token(weights.log(), Sampling(temperature=1.0, seed=1), [0] * position)] += 1
    assert torch.allclose(counts / 4000, weights, atol=0.03)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    weights = torch.tensor([0.5, 0.3, 0.15, 0.05])
    sampling = Sampling(temperature=1.0, top_p=0.6, seed=3)
    assert {choose_token(weights.log(), sampling, [0] * n) for n in range(300)} == {0, 1}
    tiny = Sampling(temperature=1.0, top_p=0.01)
    assert {choose_token(weights.log(), tiny, [0] * n) for n in range(50)} == {0}


def test_a_low_temperature_sharpens() -> None:
    logits = torch.tensor([1.0, 0.0])
    cold = sum(choose_token(logits, Sampling(temperature=0.2), [0] * n) for n in range(500))
    hot = sum(choose_token(logits, Sampling(temperature=2.0), [0] * n) for n in range(500))
    assert cold < 20 < hot


@given(answers, st.floats(1.01, 2), st.integers(0, 99))
def test_the_penalty_is_that_of_transformers_without_the_prompt(
    answer: list[int], penalty: float, seed: int
) -> None:
    logits = _logits(seed)
    prompt = [1, 5, 7]
    theirs = RepetitionPenaltyLogitsProcessor(penalty, prompt_ignore_length=len(prompt))
    expected = theirs(torch.tensor([[*prompt, *answer]]), logits[None].clone())[0]
    ours = without_repetition(logits, Sampling(repetition_penalty=penalty), answer)
    assert torch.allclose(ours, expected)


@given(st.lists(st.integers(0, 2), max_size=30), st.integers(2, 6), st.integers(0, 99))
def test_repeated_runs_are_banned_as_transformers_does(
    answer: list[int], size: int, seed: int
) -> None:
    logits = _logits(seed)
    theirs = NoRepeatNGramLogitsProcessor(size)
    expected = theirs(torch.tensor([answer], dtype=torch.long), logits[None].clone())[0]
    ours = without_repetition(logits, Sampling(no_repeat_ngram_size=size), answer)
    assert torch.equal(ours, expected)


def test_greedy_answers_repeat_no_run() -> None:
    logits, answer = _logits(4), list[int]()
    for _ in range(20):
        answer.append(choose_token(logits, Sampling(no_repeat_ngram_size=2), answer))
    pairs = list(pairwise(answer))
    assert len(pairs) == len(set(pairs))


def test_a_banned_token_is_never_drawn_and_something_always_is() -> None:
    logits = torch.tensor([9.0, 0.0])
    sampling = Sampling(temperature=1.0, no_repeat_ngram_size=1)
    assert {choose_token(logits, sampling, [0] * n) for n in range(1, 40)} == {1}
    assert choose_token(logits, sampling, [0, 1]) in {0, 1}, (
        "all are banned: better twice than none"
    )


def test_without_a_wish_the_logits_are_left_alone() -> None:
    logits = _logits(1)
    assert without_repetition(logits, Sampling(), [1, 2, 1, 2]) is logits
