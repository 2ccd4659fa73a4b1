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

import torch
from torch import Tensor


def guided(logits: Tensor, unprompted: Tensor, scale: float, *, ends: Iterable[int]) -> Tensor:
    """Return the logits of the next token: at a scale of 1 the model's own, up to rounding.

    They keep the level of the model's own, for the penalty on repetition divides what is above 0.

    Args:
        logits: (V) float32, behind the prompt.
        unprompted: (V) float32, behind the chat without its words.
        scale: 1 is the model as it is; above it, the prompt counts for more.
        ends: The ids that end an answer; their chances stay.
    """
    level = logits.logsumexp(-1)
    own = logits - level
    other = torch.log_softmax(unprompted, dim=-1)
    scores = other + scale * (own - other)
    last = torch.tensor(sorted(ends), dtype=torch.long, device=logits.device)
    scores[last] = -torch.inf
    going_on = own.index_fill(0, last, -torch.inf).logsumexp(-1)
    scores += going_on - scores.logsumexp(-1)
    scores[last] = own[last]
    return scores + level
