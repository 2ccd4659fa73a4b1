"""Make up what a text is about: a thing with a name and facts, none of which can be guessed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from inferencecloud.training.generator import names
from inferencecloud.training.generator.trades import COLOURS, TRADES, Trade

GUARANTEES = ("guarantee", "warranty")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that a brief tells and a text must say.

    Args:
        kind: Which patterns can say it ("feature", "price").
        label: How a brief labels it.
        value: The words that stand in brief and text alike, without an article.
        phrase: The words as a sentence takes them: with the article, or as a verb phrase.
    """

    kind: str
    label: str
    value: str
    phrase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a brief is about."""

    name: str
    noun: str
    trade: str
    company: str
    facts: tuple[Fact, ...]

    def with_facts(self, facts: tuple[Fact, ...]) -> Subject:
        """Return the same thing with other facts."""
        return replace(self, facts=facts)


def invent_subject(rng: random.Random, *, facts: int) -> Subject:
    """Return something new with so many facts, at most one of most kinds."""
    trade = rng.choice(TRADES)
    noun = rng.choice(trade.nouns)
    kinds = _choose_kinds(rng, trade, facts)
    made: list[Fact] = []
    while len(made) < len(kinds):
        fact = _invent_fact(rng, trade, kinds[len(made)])
        if not any(_overlap(fact.value, other.value) for other in made):
            made.append(fact)
    return Subject(
        name=names.invent_name(rng),
        noun=noun,
        trade=trade.name,
        company=names.invent_company(rng),
        facts=tuple(made),
    )


def change_one(rng: random.Random, subject: Subject) -> Subject:
    """Return the subject with its name or one fact changed for another of the same kind."""
    trade = next(trade for trade in TRADES if trade.name == subject.trade)
    place = rng.randint(-1, len(subject.facts) - 1)
    if place < 0:
        name = subject.name
        while name == subject.name:
            name = names.invent_name(rng)
        return replace(subject, name=name)
    old = subject.facts[place]
    others = [fact.value for fact in subject.facts]
    new = old
    while any(_overlap(new.value, value) for value in others):
        new = _invent_fact(rng, trade, old.kind, like=old)
    return subject.with_facts((*subject.facts[:place], new, *subject.facts[place + 1 :]))


def invent_terms(rng: random.Random, count: int, *, near: float) -> tuple[Fact, ...]:
    """Return so many facts that anything may have: a price near the given one, an origin, an offer."""
    kinds = ("price", "origin", "guarantee", "stock", "launch", "offer", "code")
    facts = []
    for kind in rng.sample(kinds, count):
        if kind == "price":
            value = names.invent_price(rng, max(2.0, near * 0.5), max(4.0, near * 2))
            facts.append(Fact(kind=kind, label="price", value=value, phrase=value))
        elif kind == "origin":
            value = rng.choice(names.PLACES)
            facts.append(Fact(kind=kind, label="made in", value=value, phrase=value))
        else:
            facts.append(_invent_term(rng, kind))
    return tuple(facts)


def _overlap(one: str, other: str) -> bool:
    return one.lower() in other.lower() or other.lower() in one.lower()


def _choose_kinds(rng: random.Random, trade: Trade, count: int) -> list[str]:
    pool = ["feature", "feature", "price", "audience", "use", "measure", "gain", "offer", "code"]
    if trade.edible:
        pool += ["feature", "feature", "origin", "stock", "launch"]
    elif trade.goods:
        pool += ["feature", "material", "colour", "origin", "guarantee", "stock", "launch"]
    elif trade.name == "courses and events":
        pool += ["place", "date", "host", "date", "place"]
    else:
        pool += ["place", "launch", "host"]
    kinds: list[str] = []
    for kind in rng.sample(pool, len(pool)):
        if kind not in kinds or (kind == "feature" and kinds.count("feature") < 3):
            kinds.append(kind)
    return kinds[:count]


def _invent_fact(rng: random.Random, trade: Trade, kind: str, *, like: Fact | None = None) -> Fact:
    if kind == "feature":
        return _invent_feature(rng, trade, like)
    if kind == "measure":
        return _invent_measure(rng, trade, like)
    if kind in ("guarantee", "stock", "offer", "launch", "date", "code"):
        return _invent_term(rng, kind)
    if kind == "price":
        value = names.invent_price(rng, *trade.prices)
    elif kind == "colour":
        value = _invent_colour(rng, like)
    elif kind == "host":
        value = names.invent_person(rng)
    else:
        value = rng.choice(_pool(trade, kind))
    return Fact(kind=kind, label=_LABELS[kind], value=value, phrase=value)


_LABELS = {
    "price": "price",
    "audience": "audience",
    "use": "use",
    "gain": "benefit",
    "material": "material",
    "colour": "colour",
    "origin": "made in",
    "place": "where",
    "host": "led by",
}


def _pool(trade: Trade, kind: str) -> Sequence[str]:
    pools = {
        "audience": trade.audiences,
        "use": trade.uses,
        "gain": trade.gains,
        "material": trade.stuffs,
    }
    return pools.get(kind, names.PLACES)


def _invent_colour(rng: random.Random, like: Fact | None) -> str:
    both = " and " in like.value if like else rng.random() < 0.35
    return " and ".join(rng.sample(COLOURS, 2)) if both else rng.choice(COLOURS)


def _invent_feature(rng: random.Random, trade: Trade, like: Fact | None) -> Fact:
    while True:
        part = rng.choice(trade.parts)
        words = [rng.choice(trade.looks)]
        if trade.stuffs and rng.random() < 0.6:
            words.append(rng.choice(trade.stuffs))
            if rng.random() < 0.25:
                del words[0]
        value = " ".join([*words, part])
        plural = part.endswith(("s", "feet")) and not part.endswith("ss")
        fact = Fact(
            kind="feature", label="feature", value=value, phrase=_article(value, plural=plural)
        )
        # A contrast pair stays a sentence: plural for plural.
        if like is None or (like.phrase == like.value) == (fact.phrase == fact.value):
            return fact


_NO_ARTICLE = (
    "parking",
    "guidance",
    "lunch",
    "breakfast",
    "billing",
    "mentoring",
    "group work",
    "delivery",
    "pick-up",
)


def _article(value: str, *, plural: bool) -> str:
    return value if plural or value.endswith(_NO_ARTICLE) else f"a {value}"


def _invent_measure(rng: random.Random, trade: Trade, like: Fact | None) -> Fact:
    measures = [m for m in trade.measures if like is None or m[0] == like.label]
    label, amount, verb, numbers = rng.choice(measures)
    value = amount.format(n=rng.choice(numbers))
    return Fact(kind="measure", label=label, value=value, phrase=verb.format(v=value))


def _invent_term(rng: random.Random, kind: str) -> Fact:
    if kind == "guarantee":
        value = (
            f"{rng.choice((2, 3, 4, 5, 6, 7, 10, 12, 15, 20, 25))}-year {rng.choice(GUARANTEES)}"
        )
        return Fact(kind=kind, label="guarantee", value=value, phrase=f"a {value}")
    if kind == "stock":
        value = (
            f"{rng.choice((50, 75, 120, 150, 200, 240, 300, 350, 400, 500, 600, 750, 900))} pieces"
        )
        return Fact(kind=kind, label="limited run", value=value, phrase=value)
    if kind == "launch":
        value = names.invent_date(rng)
        return Fact(kind=kind, label="available from", value=value, phrase=value)
    if kind == "date":
        value = f"{rng.choice(names.DAYS)}, {names.invent_date(rng)}"
        return Fact(kind=kind, label="date", value=value, phrase=value)
    if kind == "code":
        value = names.invent_code(rng, names.invent_word(rng))
        return Fact(kind=kind, label="discount code", value=value, phrase=f"the code {value}")
    value = f"{rng.choice((5, 10, 12, 15, 20, 25, 30, 40))}% off until {names.invent_date(rng)}"
    return Fact(kind=kind, label="offer", value=value, phrase=value)
