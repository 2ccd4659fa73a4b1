# ruff: noqa: SIM905 - long lists of quoted words are harder to read
"""Put other words into real copy where that is safe: names, colours, materials, worn-out adjectives.

A model that has seen a product's copy a few times recites it, whatever the brief says. Here the same copy
comes back under another name, colour and material each time: the only way to a low loss is to read the brief.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from inferencecloud.training.generator.grammar import fix_articles

COLOURS = """
    black white brown red blue green gray yellow pink purple teal beige navy burgundy
    turquoise maroon coral crimson lavender olive indigo ivory amber emerald silver golden
    charcoal cream khaki mint peach plum rust scarlet tan violet aqua azure orange ochre
""".split()
MATERIALS = """
    leather suede canvas cotton linen wool silk denim velvet wood oak walnut bamboo steel
    brass copper aluminum glass ceramic porcelain marble granite plastic wicker rattan nylon
    polyester fleece
""".split()
SYNONYMS = {
    "perfect": "right",
    "ideal": "right",
    "stylish": "smart",
    "premium": "fine",
    "durable": "sturdy",
    "versatile": "adaptable",
    "elegant": "graceful",
    "timeless": "lasting",
    "beautiful": "lovely",
    "beautifully": "finely",
    "sleek": "slim",
    "unique": "special",
    "vibrant": "bright",
    "stunning": "striking",
    "effortlessly": "easily",
    "effortless": "easy",
    "high-quality": "well-made",
    "discover": "find",
    "elevate": "lift",
    "crafted": "made",
    "exquisite": "fine",
    "luxurious": "rich",
    "sophisticated": "refined",
    "sophistication": "refinement",
    "elegance": "grace",
    "must-have": "handy",
    "charming": "likeable",
    "showcases": "shows",
}
_OPENINGS = (
    "Meet the {name}.",
    "Introducing the {name}.",
    "Say hello to the {name}.",
    "This is the {name}.",
    "Discover the {name}.",
    "Here comes the {name}.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swaps:
    """Words that stand for others in every text of one product, lower case to lower case."""

    words: Mapping[str, str] = field(default_factory=dict)

    def apply(self, text: str) -> str:
        """Return the text with every word replaced, its capital kept, articles as they fit."""
        if not self.words:
            return text
        longest_first = sorted(self.words, key=len, reverse=True)
        pattern = r"(?<![\w-])(" + "|".join(map(re.escape, longest_first)) + r")(?![\w-])"
        changed = re.sub(pattern, self._replace, text, flags=re.IGNORECASE)
        return text if changed == text else fix_articles(changed)

    def _replace(self, match: re.Match[str]) -> str:
        old = match.group(0)
        new = self.words[old.lower()]
        return new[0].upper() + new[1:] if old[0].isupper() else new


def choose_swaps(rng: random.Random, text: str) -> Swaps:
    """Return swaps for the colours and materials in the text."""
    present = set(re.findall(r"[a-z]+", text.lower()))
    swaps = {}
    for family in (COLOURS, MATERIALS):
        for word in family:
            if word in present and rng.random() < 0.7:
                swaps[word] = rng.choice(family)
    return Swaps(words=swaps)


def choose_synonyms(rng: random.Random, text: str, most: int) -> dict[str, str]:
    """Return up to so many worn-out words of the text with plainer ones that it has not."""
    lower = text.lower()
    present = [w for w in SYNONYMS if re.search(rf"(?<![\w-]){w}(?![\w-])", lower)]
    return {word: SYNONYMS[word] for word in rng.sample(present, min(most, len(present)))}


def put_name(rng: random.Random, text: str, *, base: str, brand: str) -> str:
    """Return the text speaking of "<brand> <base>": inside a sentence where safe, else as an opening.

    Args:
        rng: The source of chance.
        text: The copy.
        base: What the copy calls the product ("Brown Boots").
        brand: The invented name that goes before it.
    """
    full = f"{brand} {base}"
    match = re.search(rf"\b{re.escape(base)}\b", text, flags=re.IGNORECASE)
    if match:
        return fix_articles(text[: match.start()] + full + text[match.end() :])
    # "This lamp is ...": the thing itself, and not one of many lamps.
    noun = base.rsplit(maxsplit=1)[-1]
    first = re.match(
        rf"(This|These|Our|The)((?: [\w-]+){{0,4}}) {re.escape(noun)}\b", text, flags=re.IGNORECASE
    )
    if first and rng.random() < 0.7:
        return f"The {full}{text[first.end() :]}"
    return f"{rng.choice(_OPENINGS).format(name=full)} {text}"
