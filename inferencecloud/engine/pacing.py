"""How many threads a step is worth: a small one is done by one thread before others have begun.

A helper that other work - the web server, whoever takes up the words - puts aside holds up the piece of work
that it has begun, so sharing must save something worth that, measured at warm-up.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch

from inferencecloud.engine.runner import Runner
from inferencecloud.engine.sequence import Sequence
from inferencecloud.engine.span import Span

_SIZES = (1, 2, 4, 8, 16)  # tokens of a step
_TIMES = 5
_WORTH_S = 0.1e-3  # what sharing a step must save
_LARGE_S = 10e-3  # a step of one token that takes one thread so long is always shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """The threads of a model's steps."""

    most: int
    alone_below: int = 0  # a step of fewer tokens is computed by one

    def use(self, tokens: int) -> None:
        """Let the next step, of so many tokens, have its threads."""
        wanted = 1 if tokens < self.alone_below else self.most
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)


def measured(runner: Runner, sequence: Sequence, *, most: int) -> Threads:
    """Measure from how many tokens on a step is worth being shared; all of the sequence is computed."""
    if most == 1:
        return Threads(most=1)
    computed = sequence.computed
    alone_below = 0
    try:
        for tokens in _SIZES:
            if tokens > computed:
                break
            sequence.computed = computed - tokens
            torch.set_num_threads(1)
            alone_s = _step_s(runner, sequence, tokens)
            if alone_s > _LARGE_S:
                break
            torch.set_num_threads(most)
            if alone_s - _step_s(runner, sequence, tokens) > _WORTH_S:
                break
            alone_below = tokens + 1
    finally:
        torch.set_num_threads(most)
        sequence.computed = computed
    return Threads(most=most, alone_below=alone_below)


def _step_s(runner: Runner, sequence: Sequence, tokens: int) -> float:
    """Return how long a step takes that computes the next tokens of the sequence, again and again."""
    times = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        runner.run([Span(sequence, tokens)])
        times.append(time.perf_counter() - begun)
    return statistics.median(times)
