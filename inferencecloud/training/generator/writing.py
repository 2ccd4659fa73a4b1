"""Write about a subject: every fact of it once, in sentences chosen anew each time."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inferencecloud.evaluation.limits import has_any
from inferencecloud.training.generator import phrases
from inferencecloud.training.generator.grammar import capitalise, expand, fill, fixed_part, slots_of
from inferencecloud.training.generator.subjects import Fact, Subject

_FREE = frozenset({"name", "noun", "it", "feature_s", "feature_is"})
X_CHARACTERS = 280


class NothingToSay(LookupError):
    """No pattern fits what is left to say."""

    def __init__(self, subject: Subject, kinds: Sequence[str]) -> None:
        super().__init__(f"No sentence fits {subject.name!r} with the facts {list(kinds)}.")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and the facts that it tells."""

    text: str
    facts: tuple[Fact, ...]


@dataclass(slots=True, kw_only=True)
class Pen:
    """Writes sentence after sentence, and knows what is still untold.

    Args:
        rng: The source of chance.
        subject: What is written about.
        avoid: Words that no sentence may have.
        company: Whether the text may name the company.
        tone: Which filling sentences fit.
    """

    rng: random.Random
    subject: Subject
    avoid: tuple[str, ...] = ()
    company: bool = False
    tone: str = "plain"
    left: list[Fact] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.left = list(self.subject.facts)

    def say(self, patterns: Sequence[str], *, least: int = 0, most: int = 4) -> Sentence | None:
        """Return a new sentence that tells at least so many and at most so many untold facts, or None."""
        fresh = [pattern for pattern in patterns if pattern not in self.used]
        for pattern in 2 * self.rng.sample(fresh, len(fresh)):
            if self._facts_for(fixed_part(pattern)) is None:
                continue
            expanded = expand(self.rng, pattern)
            told = self._facts_for(expanded)
            if told is None or not least <= len(told) <= most:
                continue
            text = capitalise(fill(expanded, self._values(told)))
            if not has_any(text, self.avoid):
                self.used.add(pattern)
                self.left = [fact for fact in self.left if fact not in told.values()]
                return Sentence(text, tuple(told.values()))
        return None

    def must_say(self, patterns: Sequence[str], *, least: int = 0, most: int = 4) -> Sentence:
        """Return such a sentence, with fewer facts where there is none.

        Raises:
            NothingToSay: No pattern fits at all.
        """
        for wanted in range(least, -1, -1):
            sentence = self.say(patterns, least=wanted, most=max(most, wanted))
            if sentence:
                return sentence
        raise NothingToSay(self.subject, [fact.kind for fact in self.left])

    def tell_all(
        self, *, sentences: int, patterns: Sequence[str] = phrases.BODIES
    ) -> list[Sentence]:
        """Return about so many sentences that tell everything that is left."""
        said: list[Sentence] = []
        while self.left:
            room = max(1, sentences - len(said))
            least = max(1, min(3, -(-len(self.left) // room)))
            sentence = None
            while sentence is None and least:
                most = least + self.rng.choice((0, 0, 1))
                sentence = self.say(patterns, least=least, most=most)
                least -= 1
            if sentence is None:
                raise NothingToSay(self.subject, [fact.kind for fact in self.left])
            said.append(sentence)
        return said

    def _facts_for(self, expanded: str) -> dict[str, Fact] | None:
        told: dict[str, Fact] = {}
        for slot in sorted(slots_of(expanded)):
            if slot in _FREE:
                continue
            if slot == "company":
                if not self.company:
                    return None
                continue
            kind, place = slot.rstrip("23"), int(slot[-1]) - 1 if slot[-1] in "23" else 0
            having = [fact for fact in self.left if fact.kind == kind]
            if len(having) <= place:
                return None
            told[slot] = having[place]
        return told

    def _values(self, told: dict[str, Fact]) -> dict[str, str]:
        noun = self.subject.noun
        first = told.get("feature")
        plural = first is not None and first.phrase == first.value
        called = ("it", "it", f"the {noun}", f"this {noun}", self.subject.name)
        values = {
            "name": self.subject.name,
            "noun": noun,
            "company": self.subject.company,
            "it": self.rng.choice(called),
            "feature_s": "" if plural else "s",
            "feature_is": "are" if plural else "is",
        }
        return values | {slot: fact.phrase for slot, fact in told.items()}


def write_line(pen: Pen, patterns: Sequence[str]) -> list[Sentence]:
    """Return a single line, as a tag line or a headline is."""
    return [pen.must_say(patterns, least=pen.rng.choice((0, 1, 1, 1, 2)))]


def write_text(pen: Pen, *, sentences: int) -> list[Sentence]:
    """Return a description that tells every fact in about so many sentences."""
    close = sentences > 1 and pen.rng.random() < 0.5
    share = -(-len(pen.left) // sentences)
    said = [pen.must_say(phrases.OPENINGS, least=min(3, share), most=max(2, share))]
    # What comes last is chosen first, so that something is left for it.
    end = pen.say(phrases.CLOSINGS, most=2) if close else None
    middle = pen.tell_all(sentences=max(1, sentences - len(said) - bool(end)))
    if sentences > 3 and pen.rng.random() < 0.4:
        filler = pen.say(phrases.TONES[pen.tone])
        middle += [filler] if filler else []
    return [*said, *middle, *([end] if end else [])]


def write_post(pen: Pen, *, sentences: int) -> str:
    """Return a post for LinkedIn: a hook, what there is to tell, a question, tags."""
    hook = pen.must_say(phrases.HOOKS, least=pen.rng.choice((0, 1)), most=1)
    body = _about(pen, sentences)
    ask = pen.must_say(phrases.ASKS)
    parts = [hook.text, body, ask.text]
    if pen.rng.random() < 0.7:
        parts.append(hashtags(pen))
    return "\n\n".join(parts)


def write_x(pen: Pen, *, sentences: int) -> str:
    """Return a post for X; it is the caller's to see that it has at most 280 characters."""
    if pen.rng.random() < 0.4:
        hook = pen.must_say(phrases.HOOKS, least=0, most=1)
        text = f"{hook.text} {_about(pen, sentences)}"
    else:
        text = " ".join(sentence.text for sentence in write_text(pen, sentences=sentences))
    return f"{text} {hashtags(pen, most=2)}" if pen.rng.random() < 0.6 else text


def write_email(pen: Pen, *, sentences: int) -> str:
    """Return an e-mail: a subject line, a greeting, the body, a farewell."""
    subject = pen.must_say(phrases.SUBJECT_LINES, least=pen.rng.choice((0, 1)), most=1).text
    greeting = pen.must_say(phrases.GREETINGS).text
    said = [sentence.text for sentence in write_text(pen, sentences=sentences)]
    cut = pen.rng.randint(2, 3)
    body = [" ".join(said[:cut]), " ".join(said[cut:])]
    farewell = pen.must_say(phrases.FAREWELLS).text
    return "\n\n".join(
        [f"Subject: {subject}", greeting, *[part for part in body if part], farewell]
    )


def write_lead(pen: Pen, *, sentences: int) -> str:
    """Return the first paragraph of a press release."""
    lead = pen.must_say(phrases.LEADS, least=1, most=3)
    rest = pen.tell_all(sentences=max(1, sentences - 1), patterns=phrases.RELEASE_BODIES)
    return " ".join(sentence.text for sentence in (lead, *rest))


def hashtags(pen: Pen, most: int = 3) -> str:
    """Return one to so many tags out of the words of the brief."""
    sources = [
        pen.subject.noun,
        pen.subject.name,
        *[f.value for f in pen.subject.facts if f.kind in ("material", "use", "feature")],
    ]
    if pen.company:
        sources.append(pen.subject.company)
    tags = ["#" + "".join(w[0].upper() + w[1:] for w in re.findall(r"\w+", s)) for s in sources[:5]]
    return " ".join(pen.rng.sample(tags, min(len(tags), pen.rng.randint(1, most))))


def _about(pen: Pen, sentences: int) -> str:
    return " ".join(sentence.text for sentence in write_text(pen, sentences=sentences))


CHANNELS: dict[str, Callable[..., str]] = {
    "linkedin": write_post,
    "x": write_x,
    "email": write_email,
    "press": write_lead,
}
