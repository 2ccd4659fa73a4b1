"""Keep words and phrases out of an answer, by its text, however a tokenizer cuts them.

Banning the tokens of a phrase, as is often done, misses the same words cut otherwise, with a space before,
in other letters, or begun by the token before. Here a token is refused when the text of the answer, this
token added, would show a phrase as words of its own. "art" is refused in "the art of", not in "smart" nor
in "article".

A token that ends where the phrase ends is refused too, for what comes next is not known: a longer word that
the tokenizer cuts just there ("art" + "isan") cannot be written. The other way, to let it pass and then to
demand that the word goes on, ends in words that nobody means, and in the phrase itself where the answer is
cut off.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from inferencecloud.engine.phrases import begins, ends, folded
from inferencecloud.engine.vocabulary import Vocabulary

Ids = NDArray[np.int64]

_BETWEEN = "\x00"  # between tokens where they stand in one string; no phrase has it
_NONE: Ids = np.empty(0, dtype=np.int64)


class _Index:
    """The folded texts of a vocabulary's tokens, in order, to find those that begin or hold something."""

    def __init__(self, vocabulary: Vocabulary, *, any_case: bool) -> None:
        spelled = (
            (folded(piece.decode(errors="ignore"), any_case=any_case), token_id)
            for token_id, piece in enumerate(vocabulary.pieces)
            if piece
        )
        ordered = sorted((text, token_id) for text, token_id in spelled if text)
        self._texts = [text for text, _ in ordered]
        self._ids = [token_id for _, token_id in ordered]
        self._all = _BETWEEN + _BETWEEN.join(self._texts) + _BETWEEN
        self._starts = [0]
        for text in self._texts[:-1]:
            self._starts.append(self._starts[-1] + len(text) + 1)
        self._ending: dict[str, Ids] = {}
        # A token that begins within a character: what it completes shows only behind the answer.
        self.broken = [
            (token_id, piece)
            for token_id, piece in enumerate(vocabulary.pieces)
            if piece and piece[0] & 0xC0 == 0x80
        ]

    def beginning_with(self, rest: str) -> Ids:
        """Return the tokens that begin with the rest of a phrase, its word ending there."""
        known = self._ending.get(rest)
        if known is None:
            first = bisect_left(self._texts, rest)
            last = bisect_right(self._texts, rest + "\U0010ffff")
            known = self._ending[rest] = np.array(
                [
                    self._ids[at]
                    for at in range(first, last)
                    if self._texts[at].startswith(rest) and ends(self._texts[at], len(rest))
                ],
                dtype=np.int64,
            )
        return known

    def holding(self, phrase: str) -> Ids:
        """Return the tokens in which the phrase stands as words of its own, not at the beginning."""
        found = set()
        place = self._all.find(phrase)
        while place >= 0:
            at = bisect_right(self._starts, place - 1) - 1
            within = place - 1 - self._starts[at]
            text = self._texts[at]
            if within > 0 and begins(text, within) and ends(text, within + len(phrase)):
                found.add(self._ids[at])
            place = self._all.find(phrase, place + 1)
        return np.array(sorted(found), dtype=np.int64)


_indexes: WeakKeyDictionary[Vocabulary, dict[bool, _Index]] = WeakKeyDictionary()
_lock = threading.Lock()


def _index(vocabulary: Vocabulary, *, any_case: bool) -> _Index:
    """Return the index, made once for each vocabulary; it takes about a second for 150,000 tokens."""
    with _lock:
        known = _indexes.setdefault(vocabulary, {})
        if any_case not in known:
            known[any_case] = _Index(vocabulary, any_case=any_case)
        return known[any_case]


class Ban:
    """Says which tokens would complete a banned phrase."""

    def __init__(self, phrases: Sequence[str], vocabulary: Vocabulary, *, any_case: bool) -> None:
        self._vocabulary = vocabulary
        self._any_case = any_case
        self._index = _index(vocabulary, any_case=any_case)
        self._phrases = sorted({folded(p, any_case=any_case).strip() for p in phrases})
        self._tail_bytes = 16 + 4 * max(len(phrase.encode()) for phrase in self._phrases)
        self._always = np.concatenate([self._index.holding(phrase) for phrase in self._phrases])

    def tokens(self, answer: Sequence[int]) -> Ids:
        """Return the ids that must not come next; some may come twice."""
        raw = self._vocabulary.tail(answer, self._tail_bytes)
        tail = self._fold(raw)
        found = [self._always]
        for phrase in self._phrases:
            found += [self._index.beginning_with(rest) for rest in self._missing(phrase, tail)]
        if _is_cut(raw):
            found.append(self._completing(raw, len(tail)))
        return np.concatenate(found)

    def _fold(self, raw: bytes) -> str:
        return folded(raw.decode(errors="ignore"), any_case=self._any_case)

    def _missing(self, phrase: str, tail: str) -> list[str]:
        """Return every end of the phrase, its whole too, before which the tail has the rest."""
        bare = tail.removesuffix(" ")
        missing = []
        for length in range(len(phrase)):
            rest = phrase[length:]
            text = bare if rest[0] == " " else tail
            if text.endswith(phrase[:length]) and begins(text + rest[0], len(text) - length):
                missing.append(rest)
        return missing

    def _completing(self, raw: bytes, shown: int) -> Ids:
        """Return the tokens that complete the character with which the answer breaks off, and so a phrase."""
        found = []
        for token_id, piece in self._index.broken:
            text = self._fold(raw + piece)
            if any(self._shows(text, phrase, shown) for phrase in self._phrases):
                found.append(token_id)
        return np.array(found, dtype=np.int64) if found else _NONE

    def _shows(self, text: str, phrase: str, shown: int) -> bool:
        """Tell whether the phrase stands in the text as words of its own and ends behind what was shown."""
        place = text.find(phrase, max(0, shown - len(phrase)))
        while place >= 0:
            end = place + len(phrase)
            if end > shown and begins(text, place) and ends(text, end):
                return True
            place = text.find(phrase, place + 1)
        return False


def _is_cut(raw: bytes) -> bool:
    """Tell whether the bytes break off within a character."""
    for back, byte in enumerate(reversed(raw[-4:]), start=1):
        if byte & 0xC0 == 0xC0:
            return back < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4)
        if byte < 0x80:
            return False
    return False
