"""The next token: greedy, within top_p, and by a chance that belongs to the position."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from inferencecloud.engine.requests import Sampling
from inferencecloud.engine.sampling import choose_token, uniform


def test_temperature_zero_takes_the_likeliest() -> None:
    assert choose_token(torch.tensor([0.1, 3.0, -1.0]), Sampling(), 0) == 1


@given(st.integers(0, 1000), st.integers(0, 100))
def test_chance_depends_on_seed_and_position_alone(seed: int, position: int) -> None:
    assert 0 <= uniform(seed, position) < 1
    assert uniform(seed, position) == uniform(seed, position)
    assert uniform(seed, position) != uniform(seed, position + 1)


def test_frequencies_follow_the_probabilities() -> None:
    weights = torch.tensor([0.5, 0.3, 0.15, 0.05])
    counts = torch.zeros(4)
    for position in range(4000):
        counts[choose_token(weights.log(), Sampling(temperature=1.0, seed=1), position)] += 1
    assert torch.allclose(counts / 4000, weights, atol=0.03)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    weights = torch.tensor([0.5, 0.3, 0.15, 0.05])
    sampling = Sampling(temperature=1.0, top_p=0.6, seed=3)
    assert {choose_token(weights.log(), sampling, n) for n in range(300)} == {0, 1}
    tiny = Sampling(temperature=1.0, top_p=0.01)
    assert {choose_token(weights.log(), tiny, n) for n in range(50)} == {0}


def test_a_low_temperature_sharpens() -> None:
    logits = torch.tensor([1.0, 0.0])
    cold = sum(choose_token(logits, Sampling(temperature=0.2), n) for n in range(500))
    hot = sum(choose_token(logits, Sampling(temperature=2.0), n) for n in range(500))
    assert cold < 20 < hot
