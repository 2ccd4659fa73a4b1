"""Count words, characters and sentences, and tell whether a text keeps to a length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["words", "characters", "sentences"]
# Letters of scripts that put no space between words, or (Hangul) particles on them: words have no border.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_WORD = re.compile(r"\S*\w\S*")
WIDE_STOPS = "\u3002\uff01\uff1f"  # what ends a Chinese or Japanese sentence
_WIDE_CLOSERS = "\u300d\u300f\uff09\u3009\u300b\u201d\u2019"
# A full stop behind these ends no sentence; behind "No" none where a number follows, or may.
_ABBREVIATIONS = ("Dr", "Mr", "Mrs", "Ms", "Prof", "St", "Mt", "vs", "approx", r"e\.g", r"i\.e")
_NO_ABBREVIATION = (
    "".join(rf"(?<!\b{word})" for word in _ABBREVIATIONS) + r"(?!(?<=\bNo)\.\s(?:\d|\Z))"
)
_STOP = rf"{_NO_ABBREVIATION}[.!?]+[\"')\]]*"  # ends a sentence where a space follows
_WIDE_STOP = f"[{WIDE_STOPS}]+[{_WIDE_CLOSERS}]*"  # needs none
_SIGN = rf"(?=[.!?{WIDE_STOPS}\n])"  # first, for speed: elsewhere nothing else is tried
_SENTENCE_END = re.compile(rf"{_SIGN}(?:{_STOP}(?=\s|$)|{_WIDE_STOP})")
_WHOLE_WIDE_STOP = f"{_WIDE_STOP}(?=[^{WIDE_STOPS}{_WIDE_CLOSERS}])"
_END = re.compile(rf"{_SIGN}(?:{_STOP}(?=\s)|{_WHOLE_WIDE_STOP}|(?=\n))")  # of a line, too
_LONGEST_END = 8  # characters
_LIST_NUMBER = re.compile(r"^\s*\d+\.\Z", re.MULTILINE)
_LAST_END = re.compile(rf"{_SIGN}(?:{_STOP}|{_WIDE_STOP})\s*\Z")
_LETTER = rf"[^\W{UNSPACED}]"
_IS_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A length that a text is to have; both bounds are allowed lengths."""

    unit: Unit
    low: int = 0
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"wanted 0 <= low <= high, got {self.low} and {self.high}")

    def holds(self, text: str) -> bool:
        """Tell whether the text has such a length."""
        return self.low <= count(text, self.unit) <= self.high


def count(text: str, unit: Unit) -> int:
    """Return the length of the text; a text without a full stop is one sentence."""
    if unit == "characters":
        return len(text)
    if unit == "words":
        return len(_WORD.findall(text))
    return count_sentences(text)


def count_sentences(text: str) -> int:
    """Return how many sentences the text has; a last one without an end counts."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    rest = text[ends[-1] :] if ends else text
    return len(ends) + bool(re.search(r"\w", rest))


def ends_with_a_sentence(text: str) -> bool:
    """Tell whether a sentence ends at the text's end."""
    return _LAST_END.search(text) is not None


def cut(text: str, limit: Limit) -> str:
    """Return the beginning of the text that is not too long: whole words, or whole sentences."""
    if count(text, limit.unit) <= limit.high:
        return text
    if limit.unit == "characters":
        return _at_word_end(text, limit.high)
    pattern = _WORD if limit.unit == "words" else _SENTENCE_END
    ends = [match.end() for match in pattern.finditer(text)]
    return text[: ends[limit.high - 1]] if limit.high else ""


def ends(text: str, *, start: int = 0) -> Iterator[tuple[int, bool]]:
    """Yield where sentences and lines have ended, and whether it was a sentence.

    Such an end is known by what stands behind it: "$3." may become "$3.50". A list's "1." is none.

    Args:
        text: What there is of it.
        start: No earlier place is wanted.
    """
    before = -1
    for match in _END.finditer(text, max(0, start - _LONGEST_END)):
        end = match.end()
        if end >= start and end != before and not _LIST_NUMBER.search(text[:end]):
            before = end
            yield end, bool(match.group())


def fitting_end(text: str, limit: Limit) -> int:
    """Return where the last sentence or line ends that fits, in characters; 0 where it is not to end there.

    That is where less than a third of the limit would stay, or where only hashtags are left out.
    """
    found = 0
    for end, _ in ends(text):
        if count(text[:end], limit.unit) > limit.high:
            break
        found = end
    length = count(text[:found], limit.unit)
    tail = text[found:].split()
    if length < max(limit.low, limit.high / 3) or (tail and all(w[0] == "#" for w in tail)):
        return 0
    return found


def _at_word_end(text: str, most: int) -> str:
    """Return at most so many characters, ending where a word ends if there is such a place."""
    if text[most].isspace():
        return text[:most].rstrip()
    words = re.sub(r"\s+\S*\Z", "", text[:most])
    return words if words.strip() else text[:most]


def phrase_pattern(phrase: str) -> re.Pattern[str]:
    """Return what finds the phrase as whole words, in any case and any spacing.

    In scripts without spaces it is found wherever it stands.
    """
    words = r"\s+".join(map(re.escape, phrase.split()))
    before = "" if _IS_UNSPACED.match(phrase.strip()[:1]) else f"(?<!{_LETTER})"
    after = "" if _IS_UNSPACED.match(phrase.strip()[-1:]) else f"(?!{_LETTER})"
    return re.compile(f"{before}{words}{after}", re.IGNORECASE)


def has_phrase(text: str, phrase: str) -> bool:
    """Tell whether the phrase stands in the text as whole words, in any case and any spacing."""
    return phrase_pattern(phrase).search(text) is not None


def has_any(text: str, phrases: Sequence[str]) -> bool:
    """Tell whether one of the phrases stands in the text."""
    return any(has_phrase(text, phrase) for phrase in phrases)
