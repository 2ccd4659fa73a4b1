"""Write the brief that a marketer might have written for a piece of copy.

The details are phrases of the copy itself, so that a model learns to build copy around what a brief says.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

_STOP_WORDS = frozenset(
    """
    a an the and or but with for to this of your you any in on our its it is are was be been
    that these those from at as by into will can could while when where whether up more most
    all just like make makes made let lets they their them there here has have had which who
    than then so not no if out over your yourself any every each both perfect ideal great
    features feature featuring crafted designed add adds adding provide provides providing
    ensure ensures offers offer offering elevate step pair pairs keep keeps get help helps
    bring brings upgrade enjoy discover experience indulge complement complements
    complementing embrace wrap transform collection essential must-have addition addition
    look looking feel favorite need whatever such made-up also even one way being don't it's
    you're you'll we our us i he she his her very too only now today shop stay allow allows
    making become becomes give gives around without within through per
    """.split()  # noqa: SIM905 - a long list of quoted words is harder to read
)
_PHRASE_BREAK = re.compile(r"[.,;:!?()\"\u2013—]| - ")
_PURPOSE = re.compile(
    r"\b(?:perfect|ideal|great|designed|made) for ([^.,;!?\u2013—]{4,60})", re.IGNORECASE
)
_PURPOSE_END = re.compile(r"\b(?:that|which|while|with|it|this|or simply|and [a-z]+ing)\b.*$")

_NAME_LABELS = ("Product", "Product", "Product", "Name", "Item", "Product name", "What")
_CATEGORY_LABELS = ("Category", "Range", "Type", "Department")
_PRICE_LABELS = ("Price", "Price", "Costs", "Retail price")
_DETAIL_LABELS = (
    "Details",
    "Features",
    "Facts",
    "Key points",
    "Notes",
    "What matters",
    "Selling points",
)
_PURPOSE_LABELS = ("For", "Audience", "Made for", "Target", "Use", "Who it is for", "Customers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What a writer is told about a product."""

    name: str
    category: str
    style: str
    price: str
    details: Sequence[str]
    purpose: str | None


def find_details(rng: random.Random, text: str, count: int) -> list[str]:
    """Return up to so many phrases of one to four words from the text, in any order."""
    phrases: list[str] = []
    for part in _PHRASE_BREAK.split(text):
        run: list[str] = []
        for word in [*part.split(), "the"]:
            if word.lower() in _STOP_WORDS:
                _keep_phrase(phrases, run)
                run = []
            else:
                run.append(word)
    unique = list(dict.fromkeys(phrases))
    return rng.sample(unique, min(count, len(unique)))


def _keep_phrase(phrases: list[str], run: Sequence[str]) -> None:
    words = list(run)[-4:]
    if sum(map(len, words)) >= 5 and not words[-1].lower().endswith("ly"):
        phrase = " ".join(words)
        phrases.append(phrase if words[0].isupper() else phrase[0].lower() + phrase[1:])


def find_purpose(rng: random.Random, text: str) -> str | None:
    """Return what the text says the product is for, or None."""
    found = [_PURPOSE_END.sub("", match.group(1)).strip() for match in _PURPOSE.finditer(text)]
    found = [purpose for purpose in found if len(purpose) >= 4]
    return rng.choice(found) if found else None


def render_brief(rng: random.Random, brief: Brief) -> str:
    """Return the brief as free text: labelled lines, one line, sentences, bullets, or hardly anything."""
    kind = rng.random()
    if kind < 0.36:
        return _as_lines(rng, brief)
    if kind < 0.58:
        return _as_one_line(rng, brief)
    if kind < 0.82:
        return _as_sentences(rng, brief)
    if kind < 0.93:
        return _as_bullets(rng, brief)
    return _as_fragment(rng, brief)


def _fields(rng: random.Random, brief: Brief) -> list[tuple[str, str]]:
    fields = [
        (
            rng.choice(_CATEGORY_LABELS),
            rng.choice((brief.category, f"{brief.category}, {brief.style}")),
        )
    ]
    fields.append((rng.choice(_PRICE_LABELS), f"${brief.price}"))
    if brief.details:
        fields.append(
            (rng.choice(_DETAIL_LABELS), rng.choice((", ", "; ", ", ")).join(brief.details))
        )
    if brief.purpose:
        fields.append((rng.choice(_PURPOSE_LABELS), brief.purpose))
    fields = [entry for entry in fields if rng.random() < 0.9]
    rng.shuffle(fields)
    name = (rng.choice(_NAME_LABELS), brief.name)
    place = 0 if rng.random() < 0.8 else rng.randint(0, len(fields))
    return [*fields[:place], name, *fields[place:]]


def _as_lines(rng: random.Random, brief: Brief) -> str:
    end = rng.choice(("", "", "."))
    return "\n".join(f"{label}: {value}{end}" for label, value in _fields(rng, brief))


def _as_one_line(rng: random.Random, brief: Brief) -> str:
    separator = rng.choice(("; ", ". ", ", ", " | ", "; "))
    case = rng.choice((str, str.lower))
    parts = [
        f"{case(label)}{rng.choice((':', ':', ''))} {value}" for label, value in _fields(rng, brief)
    ]
    if rng.random() < 0.5:
        parts = [brief.name, *[part for part in parts if brief.name not in part]]
    return separator.join(parts) + rng.choice(("", "."))


def _as_sentences(rng: random.Random, brief: Brief) -> str:
    start = rng.choice(
        (
            "We are launching the {name}, a {style} in our {category} range.",
            "The {name} is our new {style}.",
            "New product: {name} ({category}).",
            "This is about the {name}.",
            "{name} is a {style} from our {category} range.",
            "Our new {style} is called {name}.",
            "{name}, {style}.",
        )
    )
    sentences = [start.format(name=brief.name, style=brief.style, category=brief.category)]
    rest = [
        rng.choice(("It costs ${p}.", "Price ${p}.", "It sells for ${p}.", "${p}.")).format(
            p=brief.price
        )
    ]
    if brief.details:
        joined = (
            ", ".join(brief.details[:-1])
            + (" and " if len(brief.details) > 1 else "")
            + brief.details[-1]
        )
        pattern = rng.choice(
            (
                "It has {d}.",
                "What stands out: {d}.",
                "Think {d}.",
                "Key facts: {d}.",
                "Mention {d}.",
            )
        )
        rest.append(pattern.format(d=joined))
    if brief.purpose:
        pattern = rng.choice(
            ("It is for {p}.", "Made for {p}.", "We sell it to people for {p}.", "Good for {p}.")
        )
        rest.append(pattern.format(p=brief.purpose))
    rest = [sentence for sentence in rest if rng.random() < 0.9]
    rng.shuffle(rest)
    return " ".join([*sentences, *rest])


def _as_bullets(rng: random.Random, brief: Brief) -> str:
    points = [f"${brief.price}", *brief.details]
    if brief.purpose:
        points.append(f"for {brief.purpose}")
    rng.shuffle(points)
    mark = rng.choice(("- ", "* ", "• "))
    return "\n".join([brief.name, *[mark + point for point in points]])


def _as_fragment(rng: random.Random, brief: Brief) -> str:
    patterns = ("{name}", "{name} ({style})", "the {name}", "{name}, ${price}", "{name}: {detail}")
    detail = brief.details[0] if brief.details else brief.style
    pattern = rng.choice(patterns)
    return pattern.format(name=brief.name, style=brief.style, price=brief.price, detail=detail)
