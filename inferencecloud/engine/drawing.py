"""Draw a token: the slow obvious way, and the quick one that must agree with it.

Temperature first; then top-k keeps the likeliest, top-p the smallest set that reaches it among these, min-p
those not too far below the first (Nguyen et al. 2024, arXiv:2407.01082). Equal tokens stand by their ids.

A vocabulary has 50,000 to 260,000 tokens and nearly all of the mass lies on a few hundred. The quick way
looks at those alone. Where a rounding could change its answer, or the mass demands more, it gives way to
the slow one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inferencecloud.engine.requests import Sampling

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_CANDIDATES = (256, 4096, 32768)  # then all
_GROUP = 16  # of so many tokens the largest stands for all while the threshold is sought
_SINGLE_SLACK = 4e-6  # what a sum over V in float32 may be off by, relatively
_DOUBLE_SLACK = 1e-11


def uniform(seed: int, position: int) -> float:
    """Return a number in [0, 1) that belongs to the position."""
    digest = hashlib.blake2b(f"{seed}:{position}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def draw_slowly(scores: Tensor, sampling: Sampling, position: int) -> int:
    """Return the token (id) that the seed draws at the position; scores (V) float32, temperature above 0."""
    probabilities = torch.softmax(scores.double() / sampling.temperature, dim=-1)  # (V)
    ordered, ids = probabilities.sort(descending=True, stable=True)
    if sampling.top_k:
        ordered = ordered[: sampling.top_k] / ordered[: sampling.top_k].sum()
    kept = _kept(ordered, sampling)
    reach = ordered[:kept].cumsum(dim=-1)
    aim = uniform(sampling.seed, position) * float(reach[-1])
    place = int(torch.searchsorted(reach, aim, right=True))
    return int(ids[min(place, kept - 1)])


def _kept(ordered: Tensor, sampling: Sampling) -> int:
    """Return how many of the likeliest tokens may be drawn; `ordered` falls.

    A token stays while those before it have not reached top_p; the first always stays.
    """
    reach = ordered.cumsum(dim=-1)
    within_p = int((reach - ordered < sampling.top_p).sum())
    near_first = int((ordered >= sampling.min_p * ordered[0]).sum())
    return max(1, min(within_p, near_first))


class _Unclear(Exception):  # not an error: it says that the quick way does not know
    """More tokens or more digits are needed."""

    def __init__(self, *, more_tokens: bool) -> None:
        super().__init__()
        self.more_tokens = more_tokens


def draw(scores: Tensor, sampling: Sampling, position: int) -> int:
    """Return what `draw_slowly` returns, usually after a glance; scores (V) float32 on the CPU."""
    chance = uniform(sampling.seed, position)
    width = len(scores)
    fitting = [n for n in _CANDIDATES if 2 * n <= width and sampling.top_k <= n]
    for count in (*fitting, width):
        likeliest = _Likeliest.of(scores, count)
        if likeliest is None:
            break
        for find_shares in (likeliest.shares, likeliest.exact_shares):
            try:
                return _draw_among(likeliest, find_shares(sampling), (sampling, chance))
            except _Unclear as unclear:
                if unclear.more_tokens:
                    break
    return draw_slowly(scores, sampling, position)


@dataclass(frozen=True, slots=True)
class _Shares:
    """The part of each of the likeliest tokens in the mass, and how far off their sums may be."""

    values: Floats
    slack: float


@dataclass(frozen=True, slots=True)
class _Likeliest:
    """All tokens from some score upwards: falling, equal ones by id."""

    scores: Tensor  # (V) float32, of all tokens
    ids: Ids
    is_all: bool  # the others are impossible

    @classmethod
    def of(cls, scores: Tensor, count: int) -> _Likeliest | None:
        """Return so many tokens or more, if there are; None where a score is no number."""
        values: NDArray[np.float32] = scores.numpy()
        width = len(values) // _GROUP
        largest = values
        if width > 2 * count:  # the count-th largest of groups is no higher than that of all tokens
            largest = values[: width * _GROUP].reshape(_GROUP, width).max(axis=0)
        place = len(largest) - count
        threshold = np.partition(largest, place)[place]
        is_impossible = bool(np.isneginf(threshold))
        ids = np.flatnonzero(values > threshold if is_impossible else values >= threshold)
        ids = ids[np.argsort(-values[ids], kind="stable")]
        if not len(ids) or not np.isfinite(values[ids]).all():
            return None
        return cls(scores, ids, is_impossible or count == len(values))

    def shares(self, sampling: Sampling) -> _Shares:
        """Return the shares by a sum over all tokens in float32, or over the k likeliest."""
        top = self.scores.numpy()[self.ids[: sampling.top_k or None]].astype(np.float64)
        weights = np.exp((top - top[0]) / sampling.temperature)
        if sampling.top_k:
            return _Shares(weights / weights.sum(), _DOUBLE_SLACK)
        every = torch.softmax(self.scores / sampling.temperature, dim=-1).numpy()
        total = float(every.sum())  # numpy adds in pairs, and so more exactly than torch
        return _Shares(weights * float(every[self.ids[0]]) / total, _SINGLE_SLACK)

    def exact_shares(self, sampling: Sampling) -> _Shares:
        """Return the shares by a sum over all tokens in float64, as the slow way does."""
        if sampling.top_k:
            return self.shares(sampling)
        every = torch.softmax(self.scores.double() / sampling.temperature, dim=-1)
        return _Shares(every.numpy()[self.ids], _DOUBLE_SLACK)


def _draw_among(likeliest: _Likeliest, shares: _Shares, how: tuple[Sampling, float]) -> int:
    """Return the token drawn; `how` brings the number drawn, in [0, 1).

    Raises:
        _Unclear: It may lie beyond these tokens, or so near to a border that their digits do not tell.
    """
    sampling, chance = how
    reach = shares.values.cumsum()
    kept = _how_many(shares, reach, sampling)
    is_open = kept == len(reach) and not sampling.top_k and not likeliest.is_all
    if is_open and (sampling.top_p < 1 or sampling.min_p > 0):
        raise _Unclear(more_tokens=True)
    aim = chance * (1.0 if is_open else float(reach[kept - 1]))
    place = int(np.searchsorted(reach[:kept], aim, side="right"))
    if is_open and aim > reach[-1] - shares.slack:
        raise _Unclear(more_tokens=True)
    before = reach[place - 1] if place else -np.inf
    if place >= kept or min(reach[place] - aim, aim - before) < shares.slack:
        raise _Unclear(more_tokens=False)
    return int(likeliest.ids[place])


def _how_many(shares: _Shares, reach: Floats, sampling: Sampling) -> int:
    """Return how many of the likeliest may be drawn."""
    kept = len(reach)
    if sampling.top_p < 1:
        kept = min(kept, _first_true(reach - shares.values, sampling.top_p, shares.slack))
    if sampling.min_p > 0:
        limit = sampling.min_p * shares.values[0]
        kept = min(kept, _first_true(-shares.values, -limit, shares.slack * limit))
    return kept


def _first_true(rising: Floats, limit: float, slack: float) -> int:
    """Return how many of the rising numbers lie below the limit, at least 1."""
    clear, unclear = (int(np.searchsorted(rising, limit + d)) for d in (-slack, slack))
    if clear != unclear:
        raise _Unclear(more_tokens=False)
    return max(1, clear)
