"""End a text where it has the wished length: with a sentence, not in the middle of one.

A text may not end before it is long enough, and ends with the last sentence that fits: where the next, were
it as long as those before it, would be too much. Where a sentence comes out longer, `TextStream` leaves
it out. A text that only aims at a length ends with the sentence that comes nearest to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from inferencecloud.engine.vocabulary import Vocabulary
from inferencecloud.evaluation.limits import (
    Limit,
    count,
    count_sentences,
    ends,
    ends_with_a_sentence,
)

_PERHAPS_A_NUMBER = re.compile(r"\d\.\Z")  # "$129." may go on


class End(Enum):
    """Whether a text may end now."""

    FREE = "free"
    FORBIDDEN = "forbidden"
    DUE = "due"


class LengthKeeper:
    """Says when a text must not end yet, and when it has to."""

    def __init__(self, limit: Limit, vocabulary: Vocabulary) -> None:
        self._limit = limit
        self._vocabulary = vocabulary

    def end_after(self, answer: Sequence[int]) -> End:
        """Tell whether the answer may end here."""
        text = b"".join(self._vocabulary.pieces[n] for n in answer).decode(errors="ignore")
        length = count(text, self._limit.unit)
        if length < self._limit.low:
            return End.FORBIDDEN
        if not ends_with_a_sentence(text) or _PERHAPS_A_NUMBER.search(text):
            return End.FREE
        next_length = length / max(1, count_sentences(text))
        return End.DUE if length + next_length > self._limit.high else End.FREE

    def keep(self, scores: NDArray[np.float32], answer: Sequence[int]) -> None:
        """Set the scores (V) of what must not come to -inf, in place."""
        end, ids = self.end_after(answer), sorted(self._vocabulary.end_ids)
        if end is End.FORBIDDEN:
            scores[ids] = -np.inf
        elif end is End.DUE:
            scores[_others(len(scores), ids)] = -np.inf


def end_near(aim: int, text: str, *, start: int, tokens: int) -> int | None:
    """Return where a text ends that is to have about so many tokens; None where it goes on.

    It ends with a sentence where half of one more, as long as those before it on average, would be too
    much, and from the aim on with any line.

    Args:
        aim: Tokens that the text is to have, more or less.
        text: What is written, with the last piece.
        start: Characters before the last piece; no earlier place is an end.
        tokens: So many the text had before the last piece.
    """
    if tokens + tokens / 2 <= aim:
        return None  # not even were it one sentence
    for end, is_sentence in ends(text, start=start):
        sentence = tokens / max(1, count_sentences(text[:end]))
        if tokens >= aim or (is_sentence and tokens + sentence / 2 > aim):
            return end
    return None


def _others(size: int, ids: Iterable[int]) -> NDArray[np.bool_]:
    found = np.ones(size, dtype=np.bool_)
    found[list(ids)] = False
    return found
