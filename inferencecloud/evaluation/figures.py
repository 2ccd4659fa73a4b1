"""The figures of written copy: facts, lengths, words avoided, copied spans, repeated skeletons, variety.

Every function takes texts and what they were asked for, and returns a share or a mean; none knows a model.
"""

from __future__ import annotations

import random
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inferencecloud.evaluation.limits import Limit, has_any, has_phrase

COPIED_WORDS = 12  # so many in a row are a copied span
SKELETON_WORDS = 6
_WORD = re.compile(r"[a-z0-9']+")
# What is left of a sentence when its content is taken out.
_FUNCTION_WORDS = frozenset(
    """
    a an the this that these those and or but nor so yet for of to in on at by with from into
    onto over under about as than then if when while where whether because though although until
    after before during through without within between against across around is are was were be
    been being am do does did done have has had having will would can could may might must shall
    should not no it its it's he she they them their his her we us our you your yours i me my
    mine who whom whose which what there here how why all any both each every few more most
    other some such only own same too very just also up down out off again once
    """.split()  # noqa: SIM905 - a long list of quoted words is harder to read
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a text was asked for.

    Args:
        facts: What must stand in it, word for word, in any case.
        foreign: What must not: the names of the other briefs.
        avoid: Words that it may not use.
        limit: The length that it is to have.
    """

    facts: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and between what bounds it lies in 95 of 100 samples of the same size."""

    mean: float
    low: float
    high: float


def facts_kept(text: str, asked: Asked) -> float:
    """Return the share of the facts that the text tells; none where it tells another brief's."""
    # With capitals: one brief's "Olive" is another's olive oil.
    if any(re.search(rf"\b{re.escape(name)}\b", text) for name in asked.foreign):
        return 0.0
    return mean([has_phrase(text, fact) for fact in asked.facts]) if asked.facts else 1.0


def fact_keeping(texts: Sequence[str], asked: Sequence[Asked]) -> float:
    """Return the mean share of facts kept over the texts that were given any."""
    pairs = zip(texts, asked, strict=True)
    return mean([facts_kept(text, wish) for text, wish in pairs if wish.facts])


def length_obeyed(texts: Sequence[str], asked: Sequence[Asked]) -> float:
    """Return the share of the texts with a wished length that have it."""
    pairs = zip(texts, asked, strict=True)
    return mean([wish.limit.holds(text) for text, wish in pairs if wish.limit])


def avoid_words_absent(texts: Sequence[str], asked: Sequence[Asked]) -> float:
    """Return the share of the texts with forbidden words that have none of them."""
    pairs = zip(texts, asked, strict=True)
    return mean([not has_any(text, wish.avoid) for text, wish in pairs if wish.avoid])


class CopiedSpans:
    """Knows every run of 12 words of the texts that were trained on."""

    def __init__(self, trained: Iterable[str], *, words: int = COPIED_WORDS) -> None:
        self._words = words
        self._runs = {run for text in trained for run in self._runs_of(text)}

    def has_copied(self, text: str) -> bool:
        """Tell whether the text repeats one of them."""
        return any(run in self._runs for run in self._runs_of(text))

    def share(self, texts: Sequence[str]) -> float:
        """Return the share of the texts that repeat one of them."""
        return mean([self.has_copied(text) for text in texts])

    def _runs_of(self, text: str) -> Iterable[int]:
        found = _WORD.findall(text.lower())
        return (
            hash(tuple(found[at : at + self._words])) for at in range(len(found) - self._words + 1)
        )


def skeletons_of(text: str, *, words: int = SKELETON_WORDS) -> set[tuple[str, ...]]:
    """Return every run of six function words of the text, its content words left out."""
    found = [word for word in _WORD.findall(text.lower()) if word in _FUNCTION_WORDS]
    return {tuple(found[at : at + words]) for at in range(len(found) - words + 1)}


def skeleton_repeats(texts: Sequence[str]) -> float:
    """Return the share of the texts that have a skeleton in common with another of them."""
    every = [skeletons_of(text) for text in texts]
    counts = Counter(skeleton for skeletons in every for skeleton in skeletons)
    return mean([any(counts[skeleton] > 1 for skeleton in skeletons) for skeletons in every])


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Return how many different runs of n words there are for each run (Li et al., arXiv:1510.03055)."""
    runs: list[tuple[str, ...]] = []
    for text in texts:
        found = _WORD.findall(text.lower())
        runs += [tuple(found[at : at + n]) for at in range(len(found) - n + 1)]
    return len(set(runs)) / len(runs) if runs else 0.0


def distinct_range(
    texts: Sequence[str], *, words: int, n: int = 2, rounds: int = 200, seed: int = 0
) -> Interval:
    """Return distinct-n of people's texts in samples of so many words: it falls as samples grow."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    values = []
    for _ in range(rounds):
        sample: list[str] = []
        size = 0
        for text in rng.sample(list(texts), len(texts)):
            if size >= words:
                break
            sample.append(text)
            size += len(_WORD.findall(text.lower()))
        values.append(distinct_n(sample, n))
    return _interval(values, statistics.fmean(values))


def bootstrap(
    values: Sequence[float],
    weights: Sequence[float] | None = None,
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> Interval:
    """Return the weighted mean of the values, and its bounds when the records are drawn anew (Efron, 1979).

    Raises:
        ValueError: There is nothing to take a mean of.
    """
    if not values:
        raise ValueError("wanted at least one value, got none")
    weights = weights or [1.0] * len(values)
    rng = random.Random(seed)  # noqa: S311 - no secret
    places = range(len(values))

    def weighted(chosen: Sequence[int]) -> float:
        return sum(values[i] * weights[i] for i in chosen) / sum(weights[i] for i in chosen)

    drawn = [weighted(rng.choices(places, k=len(values))) for _ in range(rounds)]
    return _interval(drawn, weighted(places))


def _interval(drawn: Sequence[float], middle: float) -> Interval:
    ranked = sorted(drawn)
    last = len(ranked) - 1
    return Interval(middle, ranked[round(0.025 * last)], ranked[round(0.975 * last)])


def mean(values: Sequence[float]) -> float:
    """Return the mean, or 0 of nothing."""
    return statistics.fmean(values) if values else 0.0
