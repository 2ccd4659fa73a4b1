# ruff: noqa: E501 - patterns and prose read best on one line
"""What a marketer types: a brief in one of many forms, an instruction, a length, words to leave out, a voice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from inferencecloud.evaluation.limits import Limit, count, has_any
from inferencecloud.training.generator import names
from inferencecloud.training.generator.grammar import expand
from inferencecloud.training.generator.recipe import FIRST

INSTRUCTIONS: dict[str, tuple[str, ...]] = {
    "tag": (
        "[Write|Give me|Suggest|Draft] a [tag line|tagline|slogan|catchy tag line|claim] for {x}",
        "[Tag line|Tagline|Slogan] for {x}", "Write one line that sells {x}",
        "[I need|We need] a [short tag line|slogan] for {x}",
    ),
    "headline": (
        "[Write|Give me|Suggest|Draft] a [headline|title] for {x}", "[Headline|Title] for {x}",
        "[Write|We need] the headline of a page about {x}",
    ),
    "short": (
        "[Write|Give me|Draft] a [short|brief] [description of|description for|text about|text for|blurb about|caption for] {x}",
        "Short description of {x}", "Describe {x} [briefly|in a few words]", "Write a [teaser for|short product text for] {x}",
    ),
    "medium": (
        "[Write|Draft|Give me] a [description of|description for|product description of|paragraph about|message about|text for] {x}",
        "[Describe|Write copy for|Write about|Write an ad for] {x}", "Write [the|our] key message for {x}",
        "Write [a web page text for|a catalogue entry for|an introduction for|our message for] {x}", "[Present|Introduce|Announce] {x}",
    ),
    "long": (
        "[Write|Draft|Give me] a [long|detailed|full] [description of|description for|text about|product text for] {x}",
        "Long description of {x}", "Describe {x} in detail", "Write a [newsletter text|blog paragraph|longer text] about {x}",
    ),
    "names": (
        "[Suggest|Give me|Find|Invent] {k} [names|name ideas|product names] for {x}", "{k} [name ideas|names] for {x}",
        "What could we call {x}? {k} ideas", "[We need|Think of] {k} names for {x}",
    ),
    "linkedin": (
        "Write a [LinkedIn post|post for LinkedIn|post] about {x}", "LinkedIn post about {x}", "[Announce {x} on LinkedIn|Write a social media post for {x}]",
        "[Turn this into|Rewrite this as|Make this] a [LinkedIn post|post for LinkedIn]: {x}",
    ),
    "x": (
        "Write a [post for X|tweet|short post|post on X] about {x}", "[Announce {x} on X|Write a post for X (at most 280 characters) about {x}]",
        "[Turn this into|Rewrite this as|Make this] a [post for X|tweet]: {x}",
    ),
    "email": (
        "Write an [e-mail|email] [about|announcing] {x}", "[E-mail|Email] [about|on] {x}, with subject line", "[Announce {x} by e-mail|Write the e-mail for {x}]",
        "[Turn this into|Rewrite this as|Make this] an [e-mail|email] with subject and body: {x}",
    ),
    "press": (
        "Write [a|the] press release lead [about|for] {x}", "Write the [lead|first paragraph] of a press release about {x}", "Press release lead: {x}",
        "[Turn this into|Rewrite this as] a press release lead: {x}",
    ),
    "shorten": (
        "[Shorten this|Make this shorter|Cut this down|Summarise this|Say this in fewer words]: {x}", "Write a [short version|summary] of {x}",
        "Shorten {x}",
    ),
    "expand": (
        "[Expand this|Make this longer|Turn this into a full paragraph|Write this out]: {x}", "Write a longer version of {x}",
    ),
    "rewrite": ("[Rewrite this|Rephrase this|Say this differently|Reword this]: {x}", "Rewrite {x}"),
}  # fmt: skip
_CALLED = ("this", "the text below", "the following", "this one")
_LIMITS: dict[str, tuple[str, ...]] = {
    "at most": ("At most {n} {u}", "Use at most {n} {u}", "No more than {n} {u}", "Up to {n} {u}", "Keep it within {n} {u}", "Maximum: {n} {u}"),
    "under": ("In under {n} {u}", "Fewer than {n} {u}", "Stay below {n} {u}"),
    "between": ("Between {m} and {n} {u}", "Write {m} to {n} {u}", "Length: {m}-{n} {u}"),
    "exactly": ("In exactly {n} {u}", "Write {n} {u}", "Use {n} {u}", "{n} {u}, please", "Make it {n} {u}"),
}  # fmt: skip
_AVOID = (
    "Do not use: {w}", "Avoid the words {w}", "Without the words {w}", "Never say {w}", "Leave out {w}", "Words to avoid: {w}",
    "Do not say {w}", "Don't use {w}", "Avoid: {w}",
)  # fmt: skip
_KEEP = (
    "Use the facts exactly as they stand", "Keep all the facts", "Mention every fact", "Stay with the facts", "State all of it",
    "Keep names and numbers as they are",
)  # fmt: skip
_WRITERS = (
    "You are the company's writer.", "You are the writer of {c}.", "You write for {c}.", "You are a copywriter.",
    "You are a marketing writer at {c}.", "You are the brand voice of {c}.", "Write in the voice of {c}.",
)  # fmt: skip
VOICES: dict[str, tuple[str, ...]] = {
    "warm": ("Warm and plain.", "Our voice is friendly and direct.", "Tone: warm.", "Voice: warm, clear, confident.", "We sound like a good neighbour."),
    "playful": ("Tone: playful.", "A little cheeky, never rude.", "Voice: light, witty.", "Have fun with it."),
    "formal": ("Be precise and calm.", "Tone: formal.", "Voice: sober, polite.", "We write like a serious house."),
    "plain": ("Write clearly, in active voice.", "Short sentences. No jargon.", "Stay with the facts.", "Never exaggerate.", "Use the facts of the brief and invent none."),
}  # fmt: skip
# What people forbid: the clichés of the trade, and words that our own sentences like.
FORBIDDEN = (
    "leverage", "premium", "versatile", "stylish", "perfect", "unique", "innovative", "must-have", "elevate", "ultimate", "timeless",
    "discover", "introducing", "meet", "ideal", "crafted", "stunning", "best", "new", "luxury", "experience", "cutting-edge", "game-changer",
    "simply", "seamless", "sleek", "durable", "quality", "comfort", "elegant", "amazing", "effortless", "enjoy", "today", "made", "cheap",
    "solution", "unlock", "delve", "embrace", "upgrade", "beautiful", "high-quality", "great", "free", "world-class", "you", "our", "yours",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a prompt asks for beside the kind of text."""

    limit: Limit | None = None
    limit_words: str = ""
    avoid: tuple[str, ...] = ()
    keep: bool = False
    ideas: int = 0  # how many names


def render_fields(
    rng: random.Random,
    name: str,
    fields: Sequence[tuple[str, str]],
    *,
    labels: Sequence[str] = ("Product", "Name", "What", "Product name", "Title"),
) -> str:
    """Return a brief: labelled lines, one line, bullets, or loose notes; every value stands in it as it is."""
    kind = rng.random()
    shuffled = rng.sample(list(fields), len(fields))
    labelled = [(rng.choice(labels), name)] if name else []
    place = 0 if rng.random() < 0.75 else rng.randint(0, len(shuffled))
    labelled = [*shuffled[:place], *labelled, *shuffled[place:]]
    if kind < 0.5:
        end = rng.choice(("", "", "", "."))
        return "\n".join(f"{_cap(label)}: {value}{end}" for label, value in labelled)
    if kind < 0.68:
        separator = rng.choice(("; ", ". ", " | ", "; "))
        return separator.join(f"{label}: {value}" for label, value in labelled) + rng.choice(
            ("", ".")
        )
    if kind < 0.84:
        mark = rng.choice(("- ", "* ", "• "))
        points = [value if rng.random() < 0.5 else f"{label}: {value}" for label, value in shuffled]
        return "\n".join([*([name] if name else []), *[mark + point for point in points]])
    notes = [value if len(value.split()) > 1 else f"{label} {value}" for label, value in shuffled]
    return (f"{name}{rng.choice((': ', ', ', ' - '))}" if name else "") + ", ".join(notes)


def _cap(text: str) -> str:
    return text[0].upper() + text[1:]


def wish(
    rng: random.Random,
    kind: str,
    text: str,
    *,
    avoid: tuple[str, ...] = (),
    limited: float = FIRST.limited,
) -> Wishes:
    """Return wishes that the text fulfils.

    Args:
        rng: The source of chance.
        kind: The kind of text.
        text: The answer.
        avoid: Words that the answer was kept free of.
        limited: How many texts of a kind without a custom of its own are asked for in a length.
    """
    limit, words = None, ""
    share = {"names": 0.0, "shorten": 0.75, "x": 0.5}.get(kind, limited)
    if rng.random() < share:
        limit, words = choose_limit(
            rng, text, sentences=kind not in ("tag", "headline", "email", "linkedin", "x")
        )
    if kind == "x" and limit is None:
        limit = Limit(unit="characters", high=280)
        words = rng.choice(("", "At most 280 characters"))
    if not avoid and kind != "rewrite" and rng.random() < 0.25:
        free = [word for word in rng.sample(FORBIDDEN, 8) if not has_any(text, (word,))]
        avoid = tuple(free[: rng.choice((1, 2, 2, 3))])
    return Wishes(
        limit=limit,
        limit_words=words,
        avoid=avoid,
        keep=kind != "names" and rng.random() < 0.15,
        ideas=text.count("\n") + 1,
    )


def choose_limit(rng: random.Random, text: str, *, sentences: bool) -> tuple[Limit, str]:
    """Return a length that the text has, and how one asks for it."""
    unit = rng.choice(
        ("words", "words", "characters", *(("sentences", "sentences") if sentences else ()))
    )
    have = count(text, unit)
    if unit == "sentences":
        return Limit(unit="sentences", low=have, high=have), _ask(rng, "exactly", n=have, unit=unit)
    grain = 5 if unit == "words" else 10
    slack = have * rng.uniform(1.05, 1.5)
    n = max(grain, -(-int(slack) // grain) * grain)
    way = rng.choice(("at most", "at most", "under", "between"))
    if way == "between":
        m = max(1, int(have * rng.uniform(0.6, 0.95)) // grain * grain)
        return Limit(unit=unit, low=m, high=n), _ask(rng, way, n=n, unit=unit, low=m)
    if way == "under":
        n += grain
    return Limit(unit=unit, high=n - (way == "under")), _ask(rng, way, n=n, unit=unit)


_SPELT = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def _ask(rng: random.Random, way: str, *, n: int, unit: str, low: int = 0) -> str:
    spoken = unit[:-1] if n == 1 else unit
    number = _SPELT[n] if unit == "sentences" and n < len(_SPELT) and rng.random() < 0.7 else str(n)
    return rng.choice(_LIMITS[way]).format(n=number, m=low, u=spoken)


def render_user(rng: random.Random, kind: str, *, request: str, wishes: Wishes) -> str:
    """Return the user's message: instruction and wishes with the brief or text after, inside or before."""
    instruction = expand(rng, rng.choice(INSTRUCTIONS[kind])).replace("{k}", _SPELT[wishes.ideas])
    instruction = instruction[0].upper() + instruction[1:]
    extras = [wishes.limit_words] if wishes.limit_words else []
    if wishes.avoid:
        extras.append(rng.choice(_AVOID).format(w=_list(rng, wishes.avoid)))
    if wishes.keep:
        extras.append(rng.choice(_KEEP))
    rng.shuffle(extras)
    tail = "".join(f" {extra}." for extra in extras)
    if instruction.endswith(": {x}"):
        if rng.random() < 0.5:
            return f"{instruction.format(x=request)}{_newline(rng, tail)}"
        return f"{instruction.removesuffix(': {x}')}.{tail}\n\n{request}"
    place = rng.random()
    if place < 0.5:
        head = instruction.format(
            x="" if "{x}" in instruction[-3:] else rng.choice(_CALLED)
        ).strip()
        if not tail:
            return f"{head}:\n{request}"
        return f"{head}:\n{request}{_newline(rng, tail)}"
    if place < 0.75:
        return f"{instruction.format(x=rng.choice(_CALLED))}.{tail}\n\n{request}"
    return f"{request}\n\n{instruction.format(x=rng.choice(('this', 'it', 'that', 'the above')))}.{tail}"


def _newline(rng: random.Random, tail: str) -> str:
    return rng.choice(("\n", "\n\n")) + tail.strip() if tail else ""


def _list(rng: random.Random, words: Sequence[str]) -> str:
    quoted = [f'"{word}"' for word in words] if rng.random() < 0.4 else list(words)
    return ", ".join(quoted)


def render_system(rng: random.Random, tone: str | None, company: str | None) -> str:
    """Return a system message: who writes, for whom, in what voice."""
    text = rng.choice(_WRITERS).format(c=company or names.invent_company(rng))
    if tone:
        text += " " + rng.choice(VOICES[tone])
    if rng.random() < 0.3:
        text += " " + rng.choice(VOICES["plain"][2:])
    return text
