"""Choose the next token. Chance is a function of (seed, position): no state, the same on every device.

Three steps: what the answer says already is made less likely, the unlikely end is cut off, a number is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from inferencecloud.engine.requests import Sampling


def uniform(seed: int, position: int) -> float:
    """Return a number in [0, 1) that belongs to the position."""
    digest = hashlib.blake2b(f"{seed}:{position}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def choose_token(logits: Tensor, sampling: Sampling, answer: Sequence[int]) -> int:
    """Return the id of the next token.

    Args:
        logits: (V) float32.
        sampling: How to choose; the limits and the stop strings are not used here.
        answer: The ids of the answer so far.
    """
    scores = without_repetition(logits, sampling, answer)
    if sampling.temperature == 0:
        return int(scores.argmax())
    probabilities = torch.softmax(scores.double() / sampling.temperature, dim=-1)  # (V)
    ordered, ids = probabilities.sort(descending=True, stable=True)
    kept = _kept(ordered, sampling)
    reach = ordered[:kept].cumsum(dim=-1)
    aim = uniform(sampling.seed, len(answer)) * float(reach[-1])
    place = int(torch.searchsorted(reach, aim, right=True))
    return int(ids[min(place, kept - 1)])


def without_repetition(logits: Tensor, sampling: Sampling, answer: Sequence[int]) -> Tensor:
    """Return the logits (V) with the tokens of the answer less likely, and repeated runs impossible.

    The penalty is that of CTRL (Keskar et al. 2019, arXiv:1909.05858, section 4.1) as transformers defines
    it. Only the answer counts: a name or a price that stands in the prompt is to be said.
    """
    scores = logits
    if sampling.repetition_penalty != 1 and answer:
        said = torch.tensor(sorted(set(answer)), device=logits.device)
        before, penalty = logits[said], sampling.repetition_penalty
        after = torch.where(before < 0, before * penalty, before / penalty)
        scores = logits.scatter(0, said, after)
    banned = _ends_of_runs(answer, sampling.no_repeat_ngram_size)
    if banned and len(banned) < len(logits):
        scores = scores.index_fill(0, torch.tensor(banned, device=logits.device), -torch.inf)
    return scores


def _ends_of_runs(answer: Sequence[int], size: int) -> list[int]:
    """Return the tokens that would make the last `size` tokens a run that the answer has already."""
    if not size or len(answer) < size:
        return []
    last = tuple(answer[len(answer) - size + 1 :])
    starts = range(len(answer) - size + 1)
    return sorted(
        {answer[at + size - 1] for at in starts if tuple(answer[at:][: size - 1]) == last}
    )


def _kept(ordered: Tensor, sampling: Sampling) -> int:
    """Return how many of the likeliest tokens may be drawn; `ordered` (V) falls.

    A token stays while those before it have not reached top_p; the first always stays.
    """
    reach = ordered.cumsum(dim=-1)
    return max(1, int((reach - ordered < sampling.top_p).sum()))
