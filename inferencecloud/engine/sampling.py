"""Choose the next token. Chance is a function of (seed, position): no state, the same on every device."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from inferencecloud.engine.requests import Sampling


def uniform(seed: int, position: int) -> float:
    """Return a number in [0, 1) that belongs to the position."""
    digest = hashlib.blake2b(f"{seed}:{position}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def choose_token(logits: Tensor, sampling: Sampling, position: int) -> int:
    """Return the id of the next token.

    Args:
        logits: (V) float32.
        sampling: Temperature, top_p and seed are used here.
        position: How many tokens of the answer there are already.
    """
    if sampling.temperature == 0:
        return int(logits.argmax())
    probabilities = torch.softmax(logits.double() / sampling.temperature, dim=-1)  # (V)
    ordered, ids = probabilities.sort(descending=True, stable=True)
    reach = ordered.cumsum(dim=-1)
    # A token stays while those before it have not reached top_p; the first always stays.
    kept = max(1, int((reach - ordered < sampling.top_p).sum()))
    aim = uniform(sampling.seed, position) * float(reach[kept - 1])
    place = int(torch.searchsorted(reach[:kept], aim, right=True))
    return int(ids[min(place, kept - 1)])
