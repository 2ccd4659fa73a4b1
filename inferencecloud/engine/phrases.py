"""Compare words and phrases as people do: in any case and spacing, as words of their own."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from inferencecloud.evaluation.limits import UNSPACED

_SPACES = re.compile(r"\s+")
_SAME = str.maketrans("\u2018\u2019\u02bc\u2010\u2011", "'''--")  # apostrophes and hyphens
_UNSPACED = re.compile(f"[{UNSPACED}]")


@lru_cache(maxsize=4096)
def is_word(character: str) -> bool:
    """Tell whether the character makes a word longer when it stands beside it."""
    if _UNSPACED.match(character):
        return False
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def folded(text: str, *, any_case: bool) -> str:
    """Return the text as phrases are compared: one space for any, one apostrophe, one hyphen."""
    text = _SPACES.sub(" ", text.translate(_SAME))
    return text.casefold() if any_case else text


def begins(text: str, place: int) -> bool:
    """Tell whether a word may begin at the place."""
    return place <= 0 or not (is_word(text[place]) and is_word(text[place - 1]))


def ends(text: str, place: int) -> bool:
    """Tell whether a word may end before the place."""
    return place >= len(text) or not (is_word(text[place - 1]) and is_word(text[place]))


def says(text: str, phrase: str) -> bool:
    """Tell whether the phrase stands in the text as words of its own; both are folded."""
    place = text.find(phrase)
    while place >= 0:
        if begins(text, place) and ends(text, place + len(phrase)):
            return True
        place = text.find(phrase, place + 1)
    return False
