"""A smaller model of the same tokenizer guesses the next tokens; the model checks them all in one step.

Speculative decoding (Leviathan et al. 2023, arXiv:2211.17192). The draft model chooses as the request does,
with the same chance at the same position, so the two agree more often than two draws would, and the text is
the same as without. `drafting` says when a guess pays; what does not pay is not asked for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn.functional import pad

from inferencecloud.engine.blocks import BLOCK_TOKENS, BlockPool
from inferencecloud.engine.drafting import StepCost, measured
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.growing import common_prefix
from inferencecloud.engine.runner import PagedRunner, Runner
from inferencecloud.engine.sequence import Sequence
from inferencecloud.engine.span import Span

logger = logging.getLogger(__name__)

_HOPE = 0.5  # the chance with which the first guesses are expected to hold
_MEMORY = 0.9  # how much the guesses so far weigh in what is expected of the next
_RECOVERY = 0.01  # what a sequence gains in hope with every step in which nothing was guessed
_READ_TOKENS = 256  # of prompts, read in one step at most
_WARM_UP_STEPS = 5


class DraftMismatch(EngineError):
    """A draft model that spells otherwise, or whose kind is not known."""

    def __init__(self, draft: str, model: str, why: str) -> None:
        super().__init__(f"Wanted {draft} to guess for {model}, but {why}.")


@dataclass(slots=True)
class _Shadow:
    """A sequence as the draft model has it: behind its tokens may stand guesses."""

    sequence: Sequence  # with blocks of the draft model's memory
    settled: int = 0  # tokens that are no guesses
    hope: float = _HOPE

    def follow(self, token_ids: list[int]) -> None:
        """Take up what is known by now, and forget the guesses that did not hold."""
        own = self.sequence
        new = token_ids[self.settled :]
        same = self.settled + common_prefix(own.token_ids[self.settled :], new)
        own.token_ids[self.settled :] = new
        own.computed = min(own.computed, same, len(token_ids) - 1)
        self.settled = len(token_ids)


class DraftModel:
    """Guesses for the sequences of one model; the engine's thread alone calls it."""

    def __init__(
        self, runner: PagedRunner, pool: BlockPool, *, context_tokens: int, vocabulary_size: int
    ) -> None:
        """Take what computes it; `vocabulary_size` is the width of the logits of the model that checks."""
        self.pool = pool
        self._runner = runner
        self._context_tokens = context_tokens
        self._vocabulary_size = vocabulary_size
        self._cost: StepCost | None = None  # measured at warm-up; without it nothing is guessed
        self._shadows: dict[Sequence, _Shadow] = {}

    def hope(self, sequence: Sequence) -> float:
        """Return the chance with which the next guess for the sequence is expected to hold."""
        shadow = self._shadows.get(sequence)
        return _HOPE if shadow is None else shadow.hope

    def guess_s(self, sequence: Sequence, sequences: int) -> float:
        """Return what a guessed token costs where so many sequences are guessed for together.

        What must be read of this one before is spread over the tokens that it may still write.
        """
        if self._cost is None:
            return float("inf")
        shadow = self._shadows.get(sequence)
        unread = len(sequence.token_ids) - (0 if shadow is None else shadow.sequence.computed)
        left = max(1, sequence.answer_limit - sequence.answer_tokens)
        return self._cost.step_s / sequences + self._cost.token_s * (1 + unread / left)

    def guess(self, wanted: Mapping[Sequence, int]) -> dict[Sequence, tuple[int, ...]]:
        """Return the next tokens as it sees them, so many of each sequence at most; some get none."""
        try:
            return self._guess(wanted)
        except Exception:  # whatever breaks in a guess, the model goes on without
            logger.exception("The draft model failed; it guesses no more")
            self._cost = None
            return {}

    def learn(self, sequence: Sequence, drafted: int, held: int) -> None:
        """Expect more or less of the next guesses; those behind the first wrong one tell nothing."""
        shadow = self._shadows.get(sequence)
        if shadow is not None:
            for place in range(min(held + 1, drafted)):
                shadow.hope = _MEMORY * shadow.hope + (1 - _MEMORY) * (place < held)

    def recover(self, sequence: Sequence) -> None:
        """Forget a little how the last guesses went."""
        shadow = self._shadows.get(sequence)
        if shadow is not None:
            shadow.hope = min(_HOPE, shadow.hope + _RECOVERY)

    def forget(self, sequence: Sequence) -> None:
        """Let go of a sequence that has ended."""
        shadow = self._shadows.pop(sequence, None)
        if shadow is not None:
            self.pool.release(reversed(shadow.sequence.blocks))

    def warm_up(self, sequence: Sequence) -> None:
        """Measure what a guess costs, on the full blocks of a sequence whose tokens are known."""
        shadow = self._shadow(sequence)
        tokens = len(sequence.token_ids) // BLOCK_TOKENS * BLOCK_TOKENS
        shadow.follow(sequence.token_ids[:tokens])
        if tokens and self._fits(shadow, tokens + BLOCK_TOKENS):
            self._run({sequence: tokens})
            shadow.sequence.token_ids.append(1)
            self._cost = step_cost(self._runner, shadow.sequence)
        self.forget(sequence)

    def _guess(self, wanted: Mapping[Sequence, int]) -> dict[Sequence, tuple[int, ...]]:
        guesses: dict[Sequence, list[int]] = {sequence: [] for sequence in wanted}
        rows = self._run(self._unread(wanted))
        while rows:
            going_on = []
            for sequence, row in rows.items():
                token_id = _choice(sequence, row, guesses[sequence])
                if token_id is None:
                    continue
                guesses[sequence].append(token_id)
                self._shadows[sequence].sequence.token_ids.append(token_id)
                if len(guesses[sequence]) < wanted[sequence]:
                    going_on.append(sequence)
            rows = self._run({s: 1 for s in going_on if self._fits(self._shadows[s], 1)})
        return {sequence: tuple(found) for sequence, found in guesses.items() if found}

    def _unread(self, wanted: Mapping[Sequence, int]) -> dict[Sequence, int]:
        """Return how many tokens to read of each before something can be guessed."""
        counts: dict[Sequence, int] = {}
        room = _READ_TOKENS
        for sequence in wanted:
            shadow = self._shadow(sequence)
            shadow.follow(sequence.token_ids)
            tokens = min(shadow.sequence.pending, room)
            if tokens and self._fits(shadow, tokens):
                counts[sequence] = tokens
                room -= tokens
        return counts

    def _run(self, counts: Mapping[Sequence, int]) -> dict[Sequence, Tensor]:
        """Compute so many tokens of each; return the logits (V) of those that are read to their end."""
        if not counts:
            return {}
        spans = [Span(self._shadows[s].sequence, tokens) for s, tokens in counts.items()]
        through = [s for s, span in zip(counts, spans, strict=True) if span.brings_token]
        logits = self._runner.run(spans)
        for span in spans:
            span.sequence.computed += span.tokens
        missing = self._vocabulary_size - logits.shape[1]  # families pad their tables differently
        return dict(zip(through, pad(logits, (0, missing), value=float("-inf")), strict=True))

    def _shadow(self, sequence: Sequence) -> _Shadow:
        if sequence not in self._shadows:
            own = replace(sequence.shadow([]), adapter=None)
            self._shadows[sequence] = _Shadow(own)
        return self._shadows[sequence]

    def _fits(self, shadow: _Shadow, tokens: int) -> bool:
        """Tell whether the next tokens have blocks, and places in the model's context."""
        own = shadow.sequence
        end = own.computed + tokens
        while len(own.blocks) * BLOCK_TOKENS < end <= self._context_tokens:
            number = self.pool.take()
            if number is None:
                return False
            own.blocks.append(number)
        return end <= self._context_tokens


def _choice(sequence: Sequence, row: Tensor, guessed: list[int]) -> int | None:
    """Return what the request would choose from the draft model's logits (V); None where it may not."""
    try:
        return sequence.sampler.choose(row, [*sequence.answer, *guessed]).token_id
    except EngineError:  # nothing is allowed there: the model will say so, if it comes so far
        return None


def step_cost(runner: Runner, sequence: Sequence) -> StepCost:
    """Measure what a step costs in which one token of the sequence is computed, and each one more."""
    draft = (1,) * (BLOCK_TOKENS - sequence.computed % BLOCK_TOKENS - 1)
    times: dict[int, float] = {}
    for guess in ((), draft):
        span = Span(sequence, 1 + len(guess), guess)
        began = time.perf_counter()
        for _ in range(_WARM_UP_STEPS):
            runner.run([span])
        times[len(guess)] = (time.perf_counter() - began) / _WARM_UP_STEPS
    return measured(times[0], times[len(draft)], tokens=1 + len(draft))
