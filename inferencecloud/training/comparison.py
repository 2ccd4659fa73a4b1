"""Compare two models blindly: pairs of texts from one brief, sides by chance, a person's choice for each.

Everything stands in one file from the beginning, so a comparison can be left and taken up again.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from math import comb
from pathlib import Path

from inferencecloud.training.generator.exercise import Exercise

CHOICES = {"1": "first", "2": "second", "=": "tie"}
STOP = "q"
_HELP = "1 or 2: the better text; =: equally good; q: stop and go on another time"


@dataclass(slots=True, kw_only=True)
class Pair:
    """Two texts for one prompt, and what was judged."""

    prompt: str
    kind: str
    first: str
    second: str
    first_is_a: bool
    choice: str = ""  # "first", "second", "tie"; empty: not yet judged


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Two models and their pairs."""

    a: str  # the digest of one model
    b: str
    pairs: list[Pair] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How often each model was preferred."""

    a: int
    b: int
    ties: int
    p_value: float  # of the two-sided sign test over the pairs that are no ties


def make_comparison(
    a: str,
    b: str,
    *,
    exercises: Sequence[Exercise],
    texts: tuple[Sequence[str], Sequence[str]],
    seed: int,
) -> Comparison:
    """Return a comparison of the texts of a and b for the exercises, sides by chance, nothing judged."""
    rng = random.Random(f"{seed}:sides")  # noqa: S311 - no secret
    pairs = []
    for exercise, of_a, of_b in zip(exercises, *texts, strict=True):
        first_is_a = rng.random() < 0.5
        first, second = (of_a, of_b) if first_is_a else (of_b, of_a)
        pairs.append(
            Pair(
                prompt=exercise.prompt,
                kind=exercise.kind,
                first=first,
                second=second,
                first_is_a=first_is_a,
            )
        )
    return Comparison(a=a, b=b, pairs=pairs)


def save(comparison: Comparison, path: Path) -> None:
    """Write the comparison; a kill leaves the file as it was or as it is to be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(
        json.dumps(asdict(comparison), indent=1, ensure_ascii=False), encoding="utf-8"
    )
    os.replace(partial, path)


def load(path: Path) -> Comparison:
    """Return the comparison in the file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    pairs = [Pair(**pair) for pair in content.pop("pairs")]
    return Comparison(**content, pairs=pairs)


def judge(
    comparison: Comparison, path: Path, *, ask: Callable[[str], str], say: Callable[[str], object]
) -> None:
    """Show every pair that is not judged yet and keep each answer at once, until all are or the person stops.

    Args:
        comparison: What to judge.
        path: Where it is kept.
        ask: Shows a question and returns what was typed.
        say: Shows a text.
    """
    say(_HELP)
    for place, pair in enumerate(comparison.pairs, start=1):
        if pair.choice:
            continue
        say(
            f"\n=== {place} of {len(comparison.pairs)} ({pair.kind}) ===\n{pair.prompt}\n"
            f"\n--- 1 ---\n{pair.first}\n\n--- 2 ---\n{pair.second}\n"
        )
        while (answer := ask("Better (1, 2, =, q): ").strip().lower()) not in (*CHOICES, STOP):
            say(_HELP)
        if answer == STOP:
            return
        pair.choice = CHOICES[answer]
        save(comparison, path)


def count(comparison: Comparison) -> Result:
    """Return how the judged pairs were decided."""
    judged = [pair for pair in comparison.pairs if pair.choice]
    ties = sum(pair.choice == "tie" for pair in judged)
    a = sum(pair.choice == ("first" if pair.first_is_a else "second") for pair in judged)
    b = len(judged) - ties - a
    return Result(a=a, b=b, ties=ties, p_value=_sign_test(a, b))


def _sign_test(a: int, b: int) -> float:
    """Return how likely so uneven a result is if both were equally good."""
    n, least = a + b, min(a, b)
    return min(1.0, 2 * sum(comb(n, k) for k in range(least + 1)) / 2**n)
