"""Exercises from posts: a text from its title and proper names, a title or a summary from the text."""

from __future__ import annotations

import random
import re

from inferencecloud.evaluation.limits import has_phrase
from inferencecloud.training.generator import extract, names, orders, phrases
from inferencecloud.training.generator.exercise import Exercise
from inferencecloud.training.generator.subjects import Subject
from inferencecloud.training.generator.swaps import Swaps
from inferencecloud.training.generator.writing import Pen
from inferencecloud.training.posts import Post

KINDS = {
    "headline": 1.0,
    "short": 1.0,
    "medium": 2.0,
    "shorten": 1.0,
    "linkedin": 0.7,
    "email": 0.5,
    "press": 0.6,
}
_PROPER = re.compile(
    r"(?<![.!?] )(?<!^)\b(?:[A-Z][\w'&-]+(?: (?:of|and|for|the) (?=[A-Z])| ?)){2,5}"
)
_MOST_CHARACTERS = 1400


def post_exercise(rng: random.Random, post: Post, kind: str | None = None) -> Exercise | None:
    """Return an exercise on the post, or None where it has no text for it."""
    kind = kind or rng.choices(list(KINDS), weights=list(KINDS.values()))[0]
    text = _text_for(rng, post, kind)
    if not text or not post.title:
        return None
    # A title is in capitals throughout: the names in it are those that the texts have, too.
    text, source, title = _with_other_names(rng, text, _source_of(rng, post, text), post.title)
    request, answer, facts = _ask(rng, post, kind, title=title, text=text, source=source)
    if answer is None:
        return None
    wishes = orders.wish(rng, kind, answer)
    messages = [("user", orders.render_user(rng, kind, request=request, wishes=wishes))]
    if rng.random() < 0.5:
        messages.insert(0, ("system", orders.render_system(rng, None, None)))
    told = tuple(fact for fact in facts if has_phrase(answer, fact))
    return Exercise(
        kind=kind,
        messages=tuple(messages),
        completion=answer,
        facts=told,
        avoid=wishes.avoid,
        limit=wishes.limit,
        source=post.digest,
    )


def proper_names(text: str) -> list[str]:
    """Return the names of two and more words in the text that do not begin a sentence."""
    found = (match.group(0).strip() for match in _PROPER.finditer(text))
    return [name for name in dict.fromkeys(found) if len(name.split()) > 1]


def _text_for(rng: random.Random, post: Post, kind: str) -> str:
    if kind in ("short", "shorten"):
        return post.deck if kind == "short" and post.deck and rng.random() < 0.5 else post.summary
    if kind == "headline":
        return post.summary or " ".join(post.paragraphs[:1])
    pool = [*post.paragraphs[:3], *([post.summary] if post.summary else [])]
    return rng.choice(pool) if pool else ""


def _source_of(rng: random.Random, post: Post, text: str) -> str:
    """Return a longer text that the summary belongs to."""
    joined = " ".join(
        [paragraph for paragraph in post.paragraphs if paragraph != text][: rng.randint(2, 3)]
    )
    return joined[:_MOST_CHARACTERS].rsplit(".", 1)[0] + "." if joined else ""


def _with_other_names(rng: random.Random, *texts: str) -> tuple[str, ...]:
    """Return the texts with some proper names exchanged in all of them alike."""
    swaps = {}
    for name in proper_names(" . ".join(texts[:-1])):
        if rng.random() < 0.5:
            last = name.split()[-1]
            swaps[name.lower()] = (
                f"{names.invent_word(rng)} {last}"
                if rng.random() < 0.6
                else names.invent_company(rng)
            )
    return tuple(Swaps(words=swaps).apply(text) for text in texts)


def _ask(
    rng: random.Random, post: Post, kind: str, *, title: str, text: str, source: str
) -> tuple[str, str | None, list[str]]:
    """Return what the user hands over, the answer, and the facts that both should have."""
    if kind == "headline":
        return text, title, [name for name in proper_names(text) if name in title]
    if kind == "shorten":
        shorter = len(text) < 0.8 * len(source)
        return source, text if shorter else None, [n for n in proper_names(text) if n in source]
    found = (
        proper_names(text)
        + extract.find_numbers(text)
        + extract.find_details(rng, text, rng.randint(1, 4))
    )
    low = [fact.lower() for fact in found]
    facts = [
        fact
        for place, fact in enumerate(found)
        if not any(
            low[place] in other for other in [*low[:place], *(o for o in low if o != low[place])]
        )
    ]
    company = names.invent_company(rng)
    fields = [("topics", ", ".join(post.topics[:3]))] if post.topics and rng.random() < 0.6 else []
    fields += [("facts", "; ".join(facts))] if facts else []
    fields += [("company", company)] if kind == "email" else []
    request = orders.render_fields(
        rng, title, fields, labels=("Title", "Topic", "About", "Subject")
    )
    if kind in ("email", "linkedin"):
        return request, _for_channel(rng, kind, title=title, text=text, company=company), facts
    return request, text, facts


def _for_channel(rng: random.Random, kind: str, *, title: str, text: str, company: str) -> str:
    pen = Pen(
        rng=rng,
        subject=Subject(name=title, noun="", trade="", company=company, facts=()),
        company=kind == "email",
    )
    if kind == "email":
        greeting, farewell = (
            pen.must_say(pool).text for pool in (phrases.GREETINGS, phrases.FAREWELLS)
        )
        return f"Subject: {title}\n\n{greeting}\n\n{text}\n\n{farewell}"
    return f"{title}\n\n{text}\n\n{pen.must_say(phrases.ASKS).text}"
