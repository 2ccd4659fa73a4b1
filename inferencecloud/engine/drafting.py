"""Guess the next tokens from what stands in the prompt, and have the model check the guess in one step.

A rewriting copies much of its source. Whenever the last tokens stood somewhere before, those that followed
there are the draft (prompt lookup: Yang et al. 2023, arXiv:2304.04487); the model computes them all in one
pass and keeps those that it would have chosen itself (speculative decoding: Leviathan et al. 2023,
arXiv:2211.17192). As chance here is a function of seed and position, the text is the same as without.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from inferencecloud.engine.sequence import Sequence

_RUN = 3  # so many tokens must have stood together before
_HOPE = 0.5  # the share of a first draft that is expected to hold
_MEMORY = 0.8  # how much the last drafts weigh in what is expected of the next
_RECOVERY = 0.01  # what a sequence without drafts gains in hope with every step


@dataclass(slots=True)
class Lookup:
    """Where runs of tokens stood last, in one sequence; grows with it."""

    hope: float = _HOPE
    _places: dict[tuple[int, ...], int] = field(default_factory=dict)  # a run: what follows it
    _read: int = 0

    def draft(self, token_ids: Seq[int], most: int) -> tuple[int, ...]:
        """Return the tokens that followed the last run where it stood before, so many at most."""
        for end in range(max(self._read, _RUN), len(token_ids)):
            self._places[tuple(token_ids[end - _RUN : end])] = end
        self._read = max(self._read, len(token_ids))
        place = self._places.get(tuple(token_ids[-_RUN:]))
        if place is None or most < 1:
            return ()
        return tuple(token_ids[place : place + most])

    def learn(self, drafted: int, held: int) -> None:
        """Expect more or less of the next draft."""
        self.hope = _MEMORY * self.hope + (1 - _MEMORY) * held / drafted

    def recover(self) -> None:
        """Forget a little how the last drafts went."""
        self.hope = min(_HOPE, self.hope + _RECOVERY)


class Drafter(Protocol):
    """Guesses where the text itself tells nothing; a smaller model does (`speculation`)."""

    def hope(self, sequence: Sequence) -> float:
        """Return the chance with which the next guess for the sequence is expected to hold."""

    def guess_s(self, sequence: Sequence, sequences: int) -> float:
        """Return what a guessed token costs where so many sequences are guessed for together.

        What must be read of this one before is spread over the tokens that it may still write.
        """

    def guess(self, wanted: Mapping[Sequence, int]) -> dict[Sequence, tuple[int, ...]]:
        """Return the next tokens as it sees them, so many of each sequence at most; some get none."""

    def learn(self, sequence: Sequence, drafted: int, held: int) -> None:
        """Expect more or less of the next guesses."""

    def recover(self, sequence: Sequence) -> None:
        """Forget a little how the last guesses went."""

    def forget(self, sequence: Sequence) -> None:
        """Let go of a sequence that has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCost:
    """What a step costs on this machine, measured: a part for the step, and a part for every token."""

    step_s: float
    token_s: float

    def pays(self, hope: float, writers: int) -> bool:
        """Tell whether a drafted token, which holds with such a chance, costs less than it saves.

        It saves one sequence's share of a step, and costs one token more in this one.
        """
        return hope * self._share_s(writers) > self.token_s

    def length(self, hope: float, writers: int, *, guess_s: float, most: int) -> int:
        """Return how many tokens in a row are worth guessing where each takes `guess_s` to guess.

        Each holds with such a chance, and only where those before it do.
        """
        share_s, chance = self._share_s(writers), hope
        for place in range(most):
            if chance * share_s <= self.token_s + guess_s:
                return place
            chance *= hope
        return most

    def _share_s(self, writers: int) -> float:
        return (self.step_s + self.token_s * writers) / writers


def measured(one_s: float, many_s: float, *, tokens: int) -> StepCost:
    """Return the cost from the times of a step of one token and of a step of several."""
    token_s = max(1e-9, (many_s - one_s) / (tokens - 1))
    return StepCost(step_s=max(1e-9, one_s - token_s), token_s=token_s)
