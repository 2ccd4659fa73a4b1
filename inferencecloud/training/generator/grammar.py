"""Choose and fill sentence patterns: `[a|b|]` is a choice, `{slot}` a value, articles follow what they meet.

Choosing never looks at values, so the same state of chance gives the same sentence around other values:
that is what makes contrast pairs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import cache

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{([a-z_0-9]+)\}")
# "Q&A and", "vitamin A oil": an A is an article only where a word or a sentence begins.
_ARTICLE = re.compile(r"((?<![\w&'.-])a|^A|(?<=[.!?:] )A)n? (?=([\w$]+))", re.MULTILINE)
_SPACE = re.compile(r" {2,}")
_SPACE_BEFORE = re.compile(r" +([.,;:!?])")
_SENTENCE_START = re.compile(r"(^|[.!?]\s+|\n)([a-z])")
# Written with a vowel and said with a consonant, and the other way round.
_SAID_WITH_CONSONANT = ("uni", "use", "usu", "eu", "one", "once", "ute", "ura", "uto")
_SAID_WITH_VOWEL = ("hour", "honest", "heir", "honour", "honor")


def expand(rng: random.Random, pattern: str) -> str:
    """Return the pattern with every choice made; choices may stand inside choices."""
    while match := _CHOICE.search(pattern):
        pattern = (
            pattern[: match.start()]
            + rng.choice(match.group(1).split("|"))
            + pattern[match.end() :]
        )
    return pattern


@cache
def fixed_part(pattern: str) -> str:
    """Return the pattern without its choices: what it says in any case."""
    while _CHOICE.search(pattern):
        pattern = _CHOICE.sub("", pattern)
    return pattern


@cache
def slots_of(pattern: str) -> frozenset[str]:
    """Return the slots that the pattern has, whatever is chosen."""
    return frozenset(_SLOT.findall(pattern))


def fill(pattern: str, values: Mapping[str, str]) -> str:
    """Return the expanded pattern with values in its slots, its spaces and articles put right.

    Raises:
        KeyError: A slot has no value.
    """
    text = _SLOT.sub(lambda match: values[match.group(1)], pattern)
    text = _SPACE_BEFORE.sub(r"\1", _SPACE.sub(" ", text)).strip()
    return fix_articles(text)


def fix_articles(text: str) -> str:
    """Return the text with "a" or "an" as the next word wants it."""
    return _ARTICLE.sub(lambda m: m.group(1) + ("n " if _takes_an(m.group(2)) else " "), text)


def _takes_an(word: str) -> bool:
    lower = word.lower()
    if lower[0].isdigit():
        return lower.startswith(("8", "11", "18")) and not lower.startswith(("110", "180", "1100"))
    if lower.startswith(_SAID_WITH_CONSONANT):
        return False
    return lower.startswith(_SAID_WITH_VOWEL) or lower[0] in "aeiou"


def capitalise(text: str) -> str:
    """Return the text with a capital after every end of a sentence."""
    return _SENTENCE_START.sub(lambda m: m.group(1) + m.group(2).upper(), text)
