# ruff: noqa: SIM905 - long lists of quoted words are harder to read
"""Invent names, prices and facts, and put them into copy where replacing a word is safe.

A model that has seen a product's copy a few times recites it, whatever the brief says. Here the same copy
comes back under another name, price, colour and material each time, with facts that nobody can know
without reading the brief: the only way to a low loss is to copy from it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_HEADS = """
    al an ar as au be bel bo bra bri ca cal car ce cor da del do dra e el em fa fen fi flo
    ga gar gle go ha hel ho i il in ja jo ka kal ki la len li lo lu ma mar mel mi mo na nel
    no o ol or pa pel pi po qui ra ren ri ro sa sel si so sta ta tel ti tor tra u ul va vel
    vi vo wa wil xa ya yo za zel zi
""".split()
_MIDDLES = """
    ba be bi ca co da de di do fa ga ge go la le li lo lu ma me mi mo na ne ni no pa pe ra
    re ri ro sa se si so ta te ti to va ve vi vo za
""".split()
_TAILS = """
    a an ar da den don do el en era eth ey field ford gate ia ic in io is ix la len let lin
    lo ly mark mont more na nd ne non nor o on or ora ra re ria ro row sa son ta th to ton
    va ven via ville wick wood x y
""".split()
_WORDS = """
    Alder Amber Anchor Arrow Atlas Aurora Bay Beacon Birch Bluff Breeze Bright Brook Cedar
    Cloud Clover Coast Copper Coral Creek Crest Dawn Delta Dune Echo Elm Ember Fable Falcon
    Fern Field Finch Fjord Flint Forest Fox Gale Glen Grove Gull Harbor Haven Hawk Hazel
    Heron Hollow Indigo Iris Ivory Juniper Lake Lark Laurel Linden Lumen Maple Marsh Meadow
    Mesa Mist Moon Moss North Oak Ocean Olive Onyx Opal Orchard Osprey Otter Pearl Pebble
    Pine Prairie Quartz Raven Reed Ridge River Robin Rook Sable Sage Shore Sierra Sky Slate
    Sparrow Spruce Star Stone Summit Swift Terra Thistle Thorn Tide Timber Trail Vale Vista
    Wave Willow Wind Wren Zephyr
""".split()
_PLACES = """
    Portugal Italy Spain France Germany Austria Norway Sweden Denmark Finland Poland Ireland
    Scotland Wales Japan Korea Vietnam India Peru Chile Mexico Canada Vermont Maine Oregon
    Ohio Texas Kenya Morocco Greece Turkey Iceland Bavaria Tuscany Lisbon Porto Hamburg
    Berlin Vienna Lyon Kyoto Oslo Dublin Leeds Bristol Turin Milan Zurich
""".split()
_MONTHS = """
    January February March April May June July August September October November December
""".split()
COLOURS = """
    black white brown red blue green gray yellow pink purple teal beige navy burgundy
    turquoise maroon coral crimson lavender olive indigo ivory amber emerald silver golden
    charcoal cream khaki mint peach plum rust scarlet tan violet aqua azure orange ochre
""".split()
_MATERIALS = """
    leather suede canvas cotton linen wool silk denim velvet wood oak walnut bamboo steel
    brass copper aluminum glass ceramic porcelain marble granite plastic wicker rattan nylon
    polyester fleece
""".split()

# (how a brief says it, how the copy says it)
# {n} number, {q} per cent, {p} place, {c} and {d} colours, {m} month, {w} an invented word.
_FACTS = (
    ("made in {p}", "Made in {p}."),
    ("made in {p}", "It is made in {p}."),
    ("designed in {p}", "Designed in {p}."),
    ("handmade in {p}", "Handmade in {p}."),
    ("comes from {p}", "It comes from {p}."),
    ("{n}-year guarantee", "It comes with a {n}-year guarantee."),
    ("{n} year warranty", "Backed by a {n} year warranty."),
    ("weighs {n} grams", "It weighs just {n} grams."),
    ("weight: {n} g", "At {n} g, it is easy to take along."),
    ("{n} hours of battery", "Count on {n} hours of battery."),
    ("battery lasts {n} hours", "The battery lasts {n} hours."),
    ("waterproof to {n} metres", "Waterproof to {n} metres."),
    ("holds {n} litres", "It holds {n} litres."),
    ("{n} pieces", "The set has {n} pieces."),
    ("comes in {c} and {d}", "Available in {c} and {d}."),
    ("in {c} or {d}", "Choose {c} or {d}."),
    ("available from {m}", "Available from {m}."),
    ("launches in {m}", "It launches in {m}."),
    ("on sale from {m} {n}", "On sale from {m} {n}."),
    ("only {n} made", "Only {n} will be made."),
    ("ready in {n} minutes", "Ready in {n} minutes."),
    ("made of {q}% recycled material", "Made of {q}% recycled material."),
    ("uses {w} technology", "It is built with {w} technology."),
    ("with {w} lining", "It has a {w} lining."),
    ("designed by {w}", "Designed by {w}."),
    ("saves {q} percent of energy", "It saves {q} percent of energy."),
    ("free delivery", "Delivery is free."),
    ("{n} days to return", "You have {n} days to return it."),
    ("sold at {w} in {p}", "Find it at {w} in {p}."),
)
_OPENINGS = (
    "Meet the {name}.",
    "Introducing the {name}.",
    "Say hello to the {name}.",
    "This is the {name}.",
    "Discover the {name}.",
    "Here comes the {name}.",
)
_PRICE_LINES = (
    "Yours for ${price}.",
    "Now at ${price}.",
    "At ${price}, it is easy to love.",
    "Get it for ${price}.",
    "Just ${price}.",
)
_VOWELS = "aeiouAEIOU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A made-up fact: as a brief states it, and as a sentence of copy."""

    brief: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swaps:
    """Words that stand for others in every text of one product, lower case to lower case."""

    words: dict[str, str] = field(default_factory=dict)

    def apply(self, text: str) -> str:
        """Return the text with every word replaced, its capital kept."""
        if not self.words:
            return text
        pattern = r"\b(" + "|".join(map(re.escape, self.words)) + r")\b"
        return re.sub(pattern, self._replace, text, flags=re.IGNORECASE)

    def _replace(self, match: re.Match[str]) -> str:
        old = match.group(0)
        new = self.words[old.lower()]
        return new.capitalize() if old[0].isupper() else new


def invent_word(rng: random.Random) -> str:
    """Return a name that nobody has: an invented word, rarely with a number."""
    kind = rng.random()
    if kind < 0.25:
        word = rng.choice(_WORDS)
    else:
        middle = "".join(rng.choice(_MIDDLES) for _ in range(rng.choice((0, 0, 1, 1, 2))))
        word = (rng.choice(_HEADS) + middle + rng.choice(_TAILS)).capitalize()
    if rng.random() < 0.12:
        word += f" {rng.randint(2, 9) * rng.choice((1, 10, 100))}"
    return word


def invent_price(rng: random.Random, near: float) -> str:
    """Return a price of the same order, with or without cents."""
    value = max(2.0, near * rng.uniform(0.4, 2.5))
    return (
        f"{int(value)}"
        if rng.random() < 0.3
        else f"{int(value)}.{rng.choice((99, 50, 95, 49, 0, 25)):02d}"
    )


def invent_facts(rng: random.Random, count: int) -> list[Fact]:
    """Return so many different made-up facts."""
    facts = []
    for brief, sentence in rng.sample(_FACTS, count):
        c, d = rng.sample(COLOURS, 2)
        values = {
            "n": rng.choice((rng.randint(2, 12), rng.randint(10, 99), rng.randint(100, 999))),
            "q": rng.randint(10, 99),
            "p": rng.choice(_PLACES),
            "m": rng.choice(_MONTHS),
            "w": invent_word(rng),
            "c": c,
            "d": d,
        }
        facts.append(Fact(brief=brief.format(**values), sentence=sentence.format(**values)))
    return facts


def choose_swaps(rng: random.Random, text: str) -> Swaps:
    """Return swaps for the colours and materials in the text; a word keeps its "a" or "an"."""
    present = set(re.findall(r"[a-z]+", text.lower()))
    swaps = {}
    for family in (COLOURS, _MATERIALS):
        for word in family:
            if word in present and rng.random() < 0.6:
                swaps[word] = rng.choice(
                    [w for w in family if (w[0] in _VOWELS) == (word[0] in _VOWELS)]
                )
    return Swaps(words=swaps)


def put_name(rng: random.Random, text: str, *, base: str, brand: str) -> str:
    """Return the text speaking of "<brand> <base>": inside a sentence where safe, else as an opening.

    Args:
        rng: The source of chance.
        text: The copy.
        base: What the copy calls the product ("Brown Boots").
        brand: The invented name that goes before it.
    """
    full = f"{brand} {base}"
    article_fits = r"(?<!\ba )(?<!\bA )" if brand[0] in _VOWELS else r"(?<!\ban )(?<!\bAn )"
    for noun in (base, base.rsplit(maxsplit=1)[-1]):
        match = re.search(article_fits + rf"\b{re.escape(noun)}\b", text, flags=re.IGNORECASE)
        if match and rng.random() < 0.8:
            shown = full if noun == base else f"{brand} {match.group(0)}"
            return text[: match.start()] + shown + text[match.end() :]
    return f"{rng.choice(_OPENINGS).format(name=full)} {text}"


def put_price(rng: random.Random, text: str, price: str) -> str:
    """Return the text with a last sentence that names the price."""
    return f"{text} {rng.choice(_PRICE_LINES).format(price=price)}"


def announce(rng: random.Random, name: str, sentences: Sequence[str], *, price: str | None) -> str:
    """Return a plain announcement: the name, the sentences, the price; nothing that a brief does not say."""
    parts = [rng.choice(_OPENINGS).format(name=name), *sentences]
    if price is not None:
        parts.append(rng.choice(_PRICE_LINES).format(price=price))
    return " ".join(parts)


def put_facts(rng: random.Random, text: str, facts: list[Fact]) -> str:
    """Return the text with a sentence for each fact, after one of its sentences."""
    for fact in facts:
        ends = [match.end() for match in re.finditer(r"[.!?](?= |$)", text)]
        place = rng.choice(ends) if ends else len(text)
        text = f"{text[:place]} {fact.sentence}{text[place:]}"
    return text
