"""Keep a text closer to its prompt: classifier-free guidance.

Ho & Salimans 2022 (arXiv:2207.12598); for language models Sanchez et al. 2023 (arXiv:2306.17806), and against
answers that ignore what they were given Shi et al. 2023 (arXiv:2305.14739). The answer is read twice: behind
its prompt, and behind the same chat with nothing said in it. What the prompt makes likelier counts for more.
A small model needs it most: by itself it says what such texts usually say.

Unlike there, the end of a text is as likely as the model finds it: guided, too, it comes too late or too
early, and texts miss the length that they were asked for (docs/starter-study.md).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def guided(logits: Tensor, unprompted: Tensor, scale: float, *, ends: Iterable[int]) -> Tensor:
    """Return the logits of the next token: at a scale of 1 the model's own, up to rounding.

    They keep the level of the model's own, for the penalty on repetition divides what is above 0.

    Args:
        logits: (V) float32 on the CPU, behind the prompt.
        unprompted: (V) float32 on the CPU, behind the chat without its words.
        scale: 1 is the model as it is; above it, the prompt counts for more.
        ends: The ids that end an answer; their chances stay.
    """
    last = sorted(ends)
    level, going_on = _sums(logits.numpy(), last)
    own, other = logits.numpy() - level, unprompted.numpy() - _sums(unprompted.numpy(), [])[0]
    scores = other + scale * (own - other)
    scores[last] = -np.inf
    scores += going_on - _sums(scores, [])[0]
    scores[last] = logits.numpy()[last]
    return torch.from_numpy(scores)


def _sums(logits: NDArray[np.float32], left_out: list[int]) -> tuple[np.float32, np.float32]:
    """Return the logarithm of the sum of exponentials over all of (V), and over all but some.

    In numpy, for torch's threads would have to be woken for each of these small sums.
    """
    top = logits.max()
    weights = np.exp(logits - top)
    whole = top + np.log(weights.sum())
    weights[left_out] = 0
    with np.errstate(divide="ignore"):  # nothing else is possible: -inf
        return whole, top + np.log(weights.sum())
