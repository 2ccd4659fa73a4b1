"""How exercises are mixed: the first stage starts from nothing, the second sharpens what the first taught.

The first stage teaches English and reading. What it leaves undone is decided by few words of an answer:
the one that stands for a forbidden word, the one after which a text may end, a fact's own. The second stage
has many exercises that differ in nothing else, and lets those words count for more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How often exercises come from where (pairs half as often, as each gives two); the rest is invented."""

    until: float  # share of the training
    contrast: float
    products: float
    posts: float
    avoidance: float = 0.0  # pairs on a product that differ in the words to avoid


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a stage is made of.

    Args:
        name: "first", "second".
        phases: What comes when.
        product_kinds: How often each kind of text is asked for on a product.
        freed: Share of the descriptions of products that are asked to do without their own words.
        limited: Share of the texts that are asked for in a length.
        cut: Share of the descriptions that lose sentences, so that only the wish tells the length.
        emphasis: How many times as much as others the words count that decide whether a wish is fulfilled.
    """

    name: str
    phases: tuple[Shares, ...]
    product_kinds: Mapping[str, float]
    freed: float = 0.3
    limited: float = 0.4
    cut: float = 0.0
    emphasis: float = 1.0


FIRST = Recipe(
    name="first",
    phases=(
        Shares(until=0.35, contrast=0.20, products=0.25, posts=0.05),
        Shares(until=0.80, contrast=0.14, products=0.44, posts=0.10),
        Shares(until=1.00, contrast=0.08, products=0.52, posts=0.10),
    ),
    product_kinds={
        "tag": 1.0,
        "headline": 0.5,
        "short": 2.2,
        "medium": 2.4,
        "long": 0.9,
        "x": 0.6,
        "linkedin": 0.5,
        "email": 0.5,
        "shorten": 0.7,
        "rewrite": 0.9,
    },
)
SECOND = Recipe(
    name="second",
    phases=(Shares(until=1.0, contrast=0.04, products=0.48, posts=0.06, avoidance=0.24),),
    product_kinds={
        "tag": 1.0,
        "headline": 0.4,
        "short": 2.2,
        "medium": 2.4,
        "long": 1.2,
        "x": 0.9,
        "linkedin": 0.5,
        "email": 0.6,
        "shorten": 1.2,
        "rewrite": 0.9,
    },
    freed=0.4,
    limited=0.65,
    cut=0.4,
    emphasis=3.0,
)
