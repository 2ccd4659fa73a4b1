"""Exercises about things that do not exist: every fact is in the brief, every fact is in the answer."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inferencecloud.evaluation.limits import has_any
from inferencecloud.training.generator import orders, phrases
from inferencecloud.training.generator.exercise import Exercise
from inferencecloud.training.generator.ideas import as_list, name_ideas
from inferencecloud.training.generator.subjects import Fact, Subject, change_one, invent_subject
from inferencecloud.training.generator.writing import (
    CHANNELS,
    X_CHARACTERS,
    NothingToSay,
    Pen,
    Sentence,
    write_line,
    write_text,
)

KINDS = {  # kind: how often
    "tag": 0.7,
    "headline": 0.6,
    "short": 2.0,
    "medium": 2.2,
    "long": 1.2,
    "names": 0.4,
    "linkedin": 0.8,
    "x": 0.8,
    "email": 0.8,
    "press": 0.7,
    "shorten": 0.9,
    "expand": 0.6,
    "rewrite": 0.9,
}
_FACTS = {
    "tag": (1, 4),
    "headline": (1, 4),
    "short": (1, 3),
    "medium": (2, 5),
    "long": (5, 9),
    "names": (1, 4),
    "x": (1, 4),
    "email": (2, 6),
}
_LABELS = {
    "feature": ("features", "details", "key points", "has", "what stands out"),
    "price": ("price", "price", "costs", "retail price"),
    "audience": ("audience", "for", "target group", "customers", "made for"),
    "use": ("use", "occasion", "good for", "made for"),
    "gain": ("benefit", "promise", "what it does", "why"),
    "material": ("material", "made of"),
    "colour": ("colour", "color", "colours"),
    "origin": ("made in", "origin", "comes from"),
    "place": ("where", "place", "location"),
    "host": ("led by", "host", "with"),
}
_TRIES = 20


@dataclass(slots=True, kw_only=True)
class _Desk:
    """What one exercise is made with."""

    rng: random.Random
    kind: str
    subject: Subject
    tone: str | None
    company: bool
    avoid: tuple[str, ...] = ()

    def pen(self, facts: Sequence[Fact] | None = None) -> Pen:
        subject = self.subject if facts is None else self.subject.with_facts(tuple(facts))
        return Pen(
            rng=self.rng,
            subject=subject,
            avoid=self.avoid,
            company=self.company,
            tone=self.tone or "plain",
        )


def invented_exercise(rng: random.Random, kind: str | None = None) -> Exercise:
    """Return an exercise on something new."""
    kind = kind or rng.choices(list(KINDS), weights=list(KINDS.values()))[0]
    for _ in range(_TRIES):
        subject = invent_subject(rng, facts=rng.randint(*_FACTS.get(kind, (2, 5))))
        made = _attempt(rng.getrandbits(64), kind, subject)
        if made:
            return made
    raise NothingToSay(subject, [fact.kind for fact in subject.facts])


def contrast_pair(rng: random.Random) -> tuple[Exercise, Exercise]:
    """Return two exercises that differ in the name or in one fact, in brief and answer alike."""
    while True:
        kind = rng.choice(("short", "short", "medium", "medium", "x", "headline", "press"))
        subject = invent_subject(rng, facts=rng.randint(*_FACTS.get(kind, (2, 5))))
        other, seed = change_one(rng, subject), rng.getrandbits(64)
        one, two = (_attempt(seed, kind, each, plain=True) for each in (subject, other))
        if one and two and one.completion != two.completion:
            return one, two


def _attempt(seed: int, kind: str, subject: Subject, *, plain: bool = False) -> Exercise | None:
    """Return the exercise that the seed makes of the subject, or None where no sentence fits."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    tone = rng.choice(list(orders.VOICES)) if rng.random() < 0.4 else None
    company = kind in ("email", "press") or rng.random() < 0.3
    desk = _Desk(rng=rng, kind=kind, subject=subject, tone=tone, company=company)
    if not plain and kind != "rewrite" and rng.random() < 0.25:
        desk.avoid = tuple(
            word
            for word in rng.sample(orders.FORBIDDEN, rng.choice((1, 2, 3)))
            if not has_any(_all_words(subject), (word,))
        )
    try:
        request, answer, told = _MAKERS.get(kind, _from_brief)(desk)
    except NothingToSay:
        return None
    if kind == "x" and len(answer) > X_CHARACTERS:
        return None
    wishes = orders.Wishes() if plain else orders.wish(rng, kind, answer, avoid=desk.avoid)
    if has_any(answer, wishes.avoid):
        return None
    user = orders.render_user(rng, kind, request=request, wishes=wishes)
    messages = [("user", user)]
    if tone or rng.random() < 0.5:
        system = orders.render_system(rng, tone, subject.company if company else None)
        messages.insert(0, ("system", system))
    name = (subject.name,) if has_any(answer, (subject.name,)) else ()
    return Exercise(
        kind=kind,
        messages=tuple(messages),
        completion=answer,
        facts=(*name, *[fact.value for fact in told]),
        avoid=wishes.avoid,
        limit=wishes.limit,
    )


def _all_words(subject: Subject) -> str:
    return " ".join(
        [subject.name, subject.noun, subject.company, *[fact.phrase for fact in subject.facts]]
    )


def brief_of(rng: random.Random, subject: Subject, *, company: bool, named: bool = True) -> str:
    """Return a brief that tells all about the subject."""
    fields = [(rng.choice(("category", "type", "what it is", "kind")), subject.noun)]
    features = [fact.value for fact in subject.facts if fact.kind == "feature"]
    together = len(features) > 1 and rng.random() < 0.6
    if together:
        fields.append(
            (rng.choice(_LABELS["feature"]), rng.choice((", ", "; ", ", ")).join(features))
        )
    fields += [
        (rng.choice(_LABELS.get(fact.kind, (fact.label,))), fact.value)
        for fact in subject.facts
        if not (together and fact.kind == "feature")
    ]
    if company:
        fields.append((rng.choice(("company", "brand", "from", "we are")), subject.company))
    return orders.render_fields(rng, subject.name if named else "", fields)


def _from_brief(desk: _Desk) -> tuple[str, str, Sequence[Fact]]:
    brief = brief_of(desk.rng, desk.subject, company=desk.company)
    answer, told = _write(desk, desk.kind, desk.pen())
    return brief, answer, told


def _write(desk: _Desk, kind: str, pen: Pen) -> tuple[str, Sequence[Fact]]:
    """Return a text of the kind, and the facts that it tells."""
    rng = desk.rng
    if kind in ("tag", "headline"):
        line = write_line(pen, phrases.TAGS if kind == "tag" else phrases.HEADLINES)
        text = line[0].text
        return (text.rstrip(".") if rng.random() < 0.3 else text), line[0].facts
    facts = len(pen.subject.facts)
    if kind in CHANNELS:
        most = 2 if kind == "x" else 4
        return CHANNELS[kind](
            pen, sentences=rng.randint(2, max(2, min(most, facts)))
        ), pen.subject.facts
    sentences = {"short": (1, 2), "medium": (3, 5), "long": (5, 8)}[kind]
    return _plain(write_text(pen, sentences=rng.randint(*sentences))), pen.subject.facts


def _plain(said: Sequence[Sentence]) -> str:
    return " ".join(sentence.text for sentence in said)


def _from_text(desk: _Desk) -> tuple[str, str, Sequence[Fact]]:
    """A text is the brief: the answer says the same in another form."""
    source_desk = _Desk(
        rng=desk.rng, kind="medium", subject=desk.subject, tone=desk.tone, company=desk.company
    )
    source = _plain(write_text(source_desk.pen(), sentences=desk.rng.randint(2, 4)))
    if desk.company and not has_any(source, (desk.subject.company,)):
        source = f"{desk.subject.company}: {source}"
    answer, told = _write(desk, desk.kind, desk.pen())
    return source, answer, told


def _brief_or_text(desk: _Desk) -> tuple[str, str, Sequence[Fact]]:
    return _from_text(desk) if desk.rng.random() < 0.4 else _from_brief(desk)


def _shorten(desk: _Desk) -> tuple[str, str, Sequence[Fact]]:
    """The answer says what matters of a longer text: the name and the first of its facts."""
    long = write_text(desk.pen(), sentences=desk.rng.randint(3, 6))
    source = _plain(long)
    order = [fact for sentence in long for fact in sentence.facts]
    kept = order[: desk.rng.randint(1, max(1, len(order) // 2))]
    answer = _plain(write_text(desk.pen(kept), sentences=desk.rng.choice((1, 1, 2))))
    if len(answer) >= len(source):
        raise NothingToSay(desk.subject, ["shorter"])
    return source, answer, kept


def _expand(desk: _Desk) -> tuple[str, str, Sequence[Fact]]:
    """The answer says more about the same facts, and adds none."""
    facts = desk.subject.facts[: desk.rng.randint(1, 3)]
    source = _plain(write_text(desk.pen(facts), sentences=1))
    pen = desk.pen(facts)
    said = write_text(pen, sentences=len(facts) + 1)
    fillers = [pen.say(phrases.TONES[tone]) for tone in (desk.tone or "warm", "plain")]
    close = pen.say(phrases.CLOSINGS, most=0)
    answer = _plain([*said, *[filler for filler in (*fillers, close) if filler]])
    if len(answer) <= len(source):
        raise NothingToSay(desk.subject, ["longer"])
    return source, answer, facts


def _rewrite(desk: _Desk) -> tuple[str, str, Sequence[Fact]]:
    """The answer is the text with the sentences said anew that have a forbidden word."""
    rng = desk.rng
    said = write_text(desk.pen(), sentences=rng.randint(2, 4))
    untouchable = _all_words(desk.subject)
    words = [
        w for w in re.findall(r"[a-z]{4,}", _plain(said).lower()) if not has_any(untouchable, (w,))
    ]
    if not words:
        raise NothingToSay(desk.subject, ["a word to leave out"])
    desk.avoid = tuple(dict.fromkeys(rng.choice(words) for _ in range(rng.choice((1, 1, 2)))))
    answer: list[Sentence] = []
    for place, sentence in enumerate(said):
        if has_any(sentence.text, desk.avoid):
            pen = desk.pen(sentence.facts)
            pool = phrases.OPENINGS if place == 0 else phrases.BODIES + phrases.CLOSINGS
            answer.append(pen.must_say(pool, least=len(sentence.facts), most=len(sentence.facts)))
            if pen.left:
                answer += pen.tell_all(sentences=1)
        else:
            answer.append(sentence)
    return _plain(said), _plain(answer), desk.subject.facts


def _names(desk: _Desk) -> tuple[str, str, Sequence[Fact]]:
    rng = desk.rng
    brief = brief_of(rng, desk.subject, company=False, named=False)
    kinds = ("feature", "material", "use", "colour", "place", "origin")
    sources = [desk.subject.noun, *[f.value for f in desk.subject.facts if f.kind in kinds]]
    ideas = name_ideas(rng, sources, rng.choice((3, 3, 4, 5)))
    return brief, as_list(rng, ideas), ()


_MAKERS: dict[str, Callable[[_Desk], tuple[str, str, Sequence[Fact]]]] = {
    "tag": _brief_or_text,
    "headline": _brief_or_text,
    "linkedin": _brief_or_text,
    "x": _brief_or_text,
    "email": _brief_or_text,
    "press": _brief_or_text,
    "shorten": _shorten,
    "expand": _expand,
    "rewrite": _rewrite,
    "names": _names,
}
__all__ = ["KINDS", "brief_of", "contrast_pair", "invented_exercise"]
