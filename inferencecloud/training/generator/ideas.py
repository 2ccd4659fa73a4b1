"""Name ideas that grow out of the words of a brief."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from inferencecloud.training.generator.names import invent_word

_TAILS = (
    "ly",
    "o",
    "a",
    "ine",
    "ia",
    "en",
    "well",
    "craft",
    "line",
    "field",
    "nest",
    "way",
    "kin",
    "mark",
    "folk",
    "side",
    "ery",
    "or",
)
_PARTNERS = (
    "& Co",
    "House",
    "North",
    "Daily",
    "Works",
    "Row",
    "Lane",
    "Days",
    "Theory",
    "Club",
    "Standard",
    "Hour",
    "Post",
    "Signal",
)
_FRONTS = (
    "True",
    "Little",
    "Good",
    "Open",
    "First",
    "Old",
    "Bright",
    "Quiet",
    "Plain",
    "Well",
    "Far",
    "Even",
)
_WORD = re.compile(r"[A-Za-z]{3,9}")


def name_ideas(rng: random.Random, sources: Sequence[str], count: int) -> list[str]:
    """Return so many names made out of words of the sources."""
    found = dict.fromkeys(word.rstrip("s") for word in _WORD.findall(" ".join(sources).lower()))
    words = [word.capitalize() for word in found if 3 <= len(word) <= 7 and word not in _DULL]
    words += [invent_word(rng) for _ in range(max(0, 3 - len(words)))]
    ideas: list[str] = []
    while len(ideas) < count:
        word, other = rng.sample(words, 2)
        idea = rng.choice(
            (
                word.rstrip("aeiouy") + rng.choice(_TAILS),
                f"{word} {rng.choice(_PARTNERS)}",
                f"{rng.choice(_FRONTS)} {word}",
                f"{word} & {other}",
                f"{rng.choice(_FRONTS)}{word.lower()}",
                word + other.lower(),
            )
        )
        if idea not in ideas and 4 <= len(idea) <= 20:
            ideas.append(idea)
    return ideas


def as_list(rng: random.Random, ideas: Sequence[str]) -> str:
    """Return the names as a list: numbered, with marks, or one on each line."""
    kind = rng.random()
    if kind < 0.5:
        return "\n".join(f"{place}. {idea}" for place, idea in enumerate(ideas, start=1))
    if kind < 0.8:
        return "\n".join(f"- {idea}" for idea in ideas)
    return "\n".join(ideas)


_DULL = frozenset(
    """
    the and for with from that this its into who are has not but off until pieces people than your
    you our out first one two any all per use when where while about every made only day days new
    """.split()  # noqa: SIM905 - a long list of quoted words is harder to read
)
