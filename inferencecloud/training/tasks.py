"""Turn a product into one exercise: the messages of a prompt, and the copy that answers it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inferencecloud.training.briefs import Brief, find_details, find_purpose, render_brief
from inferencecloud.training.invent import (
    Fact,
    announce,
    choose_swaps,
    invent_facts,
    invent_price,
    invent_word,
    put_facts,
    put_name,
    put_price,
)
from inferencecloud.training.products import LENGTHS, Product

_TAG = (
    "Write a tag line for {x}", "Write a tagline for {x}", "Write the tag line for {x}",
    "Give me a tag line for {x}", "Tag line for {x}", "Write one line that sells {x}",
    "Suggest a slogan for {x}", "Write a slogan for {x}", "Write a short tag line: {x}",
    "I need a catchy tag line for {x}", "Write a claim for {x}", "Tagline: {x}",
)  # fmt: skip
_SHORT = (
    "Write a short description of {x}", "Write a short description for {x}",
    "Short description of {x}", "Describe {x} in one or two sentences",
    "Write two sentences about {x}", "Write a short product text for {x}",
    "Write a brief description for {x}", "Write a short text for {x}", "Write a teaser for {x}",
    "Write a caption for {x}", "Short product text: {x}", "Write a short blurb about {x}",
)  # fmt: skip
_MID = (
    "Write a product description for {x}", "Write a description of {x}", "Describe {x}",
    "Write copy for {x}", "Write a paragraph about {x}", "Write an ad for {x}",
    "Write the product text for {x}", "Write about {x}", "Write a message for {x}",
    "Write our message for {x}", "Write the key message for {x}", "Key message for {x}",
    "Write the main message about {x}", "Write an advertisement for {x}",
    "Draft a message about {x}",
)  # fmt: skip
_HEAD = (
    "Write a product page introduction for {x}", "Write an introduction for {x}",
    "Write a web page text for {x}", "Write a catalogue entry for {x}",
    "Write a catalog text for {x}", "Write a paragraph for our shop about {x}",
)  # fmt: skip
_LONG = (
    "Write a long description of {x}", "Write a long description for {x}",
    "Long description of {x}", "Write a detailed description of {x}", "Describe {x} in detail",
    "Write a long product text for {x}", "Write a full product description for {x}",
    "Write a longer text about {x}", "Long product text: {x}", "Write an email about {x}",
    "Write a newsletter text about {x}", "Write a blog paragraph about {x}",
)  # fmt: skip
_HEADLINE = (
    "Write a headline for {x}", "Give me a headline for {x}", "Headline for {x}",
    "Write a title for {x}", "Write an email subject line for {x}", "Suggest a headline for {x}",
    "Subject line for {x}",
)  # fmt: skip
_POST = (
    "Write a short post about {x}", "Write a social media post for {x}", "Write a post about {x}",
    "Write a LinkedIn post about {x}", "Write an Instagram post for {x}",
    "Write a short post for {x}", "Turn this into a post: {x}",
    "Write a post from this message: {x}", "Write a short post from {x}",
)  # fmt: skip
_SHORTEN = (
    "Shorten this: {x}", "Make this shorter: {x}", "Summarise this in two sentences: {x}",
    "Summarize {x}", "Write a short version of {x}", "Write a summary of {x}",
    "Write a short description from this: {x}",
)  # fmt: skip
_ANNOUNCE = (
    "Write an announcement for {x}", "Announce {x}", "Write a launch line for {x}", "Write a caption for {x}",
    "Write a short announcement of {x}", "Write a notice about {x}", "Tell our customers about {x}",
    "Write a launch post for {x}", "Write a post with the facts about {x}", "Write the facts about {x}",
    "Write a plain text about {x}", "Introduce {x}", "Write a short note to customers about {x}",
)  # fmt: skip
_SYSTEM = (
    "You are the company's writer.", "You are the writer of {company}.",
    "You write for {company}.", "You are a copywriter.",
    "You are a marketing writer at {company}.", "You are the company's writer, {company}.",
    "You are the brand voice of {company}.", "Write in the voice of {company}.",
)  # fmt: skip
_VOICE = (
    "Warm and plain.", "Voice: warm, clear, confident.", "Our voice is friendly and direct.",
    "Be precise and calm.", "Tone: playful.", "Write clearly, in active voice.",
    "Short sentences. No jargon.", "Tone: elegant and quiet.",
    "Use the facts of the brief and invent none.", "Stay with the facts.", "Never exaggerate.",
    "Write plain, warm English.", "Keep to what the brief says.",
    "We speak to people, not to markets.",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """One example: the messages of a prompt as (role, content), and the answer."""

    messages: tuple[tuple[str, str], ...]
    completion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """One product under its invented name, with all of its copy changed alike."""

    name: str
    category: str
    style: str
    price: str
    texts: dict[str, str]
    headlines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A kind of exercise: how it is asked for, how often, and from what it is written."""

    weight: float
    target: str
    phrasings: Sequence[str]
    sources: Sequence[str] = ("brief",)


_TASKS = (
    _Task(weight=1.7, target="tag", phrasings=_TAG),
    _Task(weight=2.0, target="short", phrasings=_SHORT),
    _Task(weight=1.6, target="mid", phrasings=_MID),
    _Task(weight=1.2, target="head", phrasings=_HEAD + _MID),
    _Task(weight=1.4, target="long", phrasings=_LONG),
    _Task(weight=0.6, target="headline", phrasings=_HEADLINE),
    # Dense in what only the brief can tell: cheap to train on, and it teaches to copy.
    _Task(weight=4.0, target="announcement", phrasings=_ANNOUNCE),
    _Task(weight=0.8, target="post", phrasings=_POST, sources=("brief", "mid", "mid")),
    _Task(weight=0.6, target="tag", phrasings=_TAG, sources=("mid", "short", "long")),
    _Task(weight=0.7, target="short", phrasings=_SHORTEN + _SHORT, sources=("mid", "long")),
    _Task(weight=0.3, target="headline", phrasings=_HEADLINE, sources=("mid", "short")),
    _Task(weight=0.3, target="long", phrasings=_LONG, sources=("mid", "short")),
)


def make_exercise(rng: random.Random, product: Product, *, invent: bool = True) -> Exercise:
    """Return one exercise on the product.

    Args:
        rng: The source of chance; the same state gives the same exercise.
        product: The record.
        invent: Put invented names, prices, facts and colours into brief and copy alike.
    """
    task = rng.choices(_TASKS, weights=[task.weight for task in _TASKS])[0]
    scene = _set_scene(rng, product, head=task.target == "head", invent=invent)
    source = rng.choice(task.sources)
    target = _target_text(rng, scene, task.target)
    if task.target == "announcement":
        request, target = _brief_and_announcement(rng, scene)
    elif source == "brief":
        request, target = _brief_and_target(rng, scene, kind=task.target, target=target)
    else:
        request = scene.texts[source]
    return Exercise(
        messages=_messages(rng, task, request=request, target=target), completion=target
    )


def _set_scene(rng: random.Random, product: Product, *, head: bool, invent: bool) -> _Scene:
    """Return the product's texts under one name; the head paragraph is of another look, and has its own."""
    base = product.copy["head" if head else rng.choice(("tag", "tag", "long"))].name
    texts = {key: product.copy[key].text for key in LENGTHS}
    headlines = (product.copy["mid"].name, product.copy["short"].name)
    price = f"{product.price:.2f}"
    name = base
    if invent and rng.random() < 0.85:
        price = invent_price(rng, product.price)
        texts = {
            key: text.replace(f"${product.price:.2f}", f"${price}") for key, text in texts.items()
        }
        swaps = choose_swaps(rng, " ".join([base, *texts.values()]))
        base, *swapped = [swaps.apply(text) for text in (base, *texts.values())]
        texts = dict(zip(texts, swapped, strict=True))
        headlines = (swaps.apply(headlines[0]), swaps.apply(headlines[1]))
        brand = invent_word(rng)
        name = f"{brand} {base}"
        texts = {key: put_name(rng, text, base=base, brand=brand) for key, text in texts.items()}
    return _Scene(
        name=name,
        category=product.category,
        style=product.style,
        price=price,
        texts=texts,
        headlines=headlines,
    )


def _target_text(rng: random.Random, scene: _Scene, target: str) -> str:
    if target == "headline":
        return rng.choice(scene.headlines)
    if target == "post":
        tags = [word.capitalize() for word in (scene.category, scene.style)]
        rng.shuffle(tags)
        return scene.texts["short"] + "\n\n" + " ".join("#" + tag.replace(" ", "") for tag in tags)
    return scene.texts["short" if target == "announcement" else target]


def _brief_and_announcement(rng: random.Random, scene: _Scene) -> tuple[str, str]:
    """Return a brief, and an announcement that says what it says and nothing else."""
    details = find_details(rng, scene.texts["short"], rng.randint(0, 2))
    facts = invent_facts(rng, rng.choice((0, 1, 1, 2, 3)))
    brief = Brief(
        name=scene.name,
        category=scene.category,
        style=scene.style,
        price=scene.price,
        details=[*details, *[fact.brief for fact in facts]],
        purpose=find_purpose(rng, scene.texts["mid"]) if rng.random() < 0.3 else None,
    )
    text = render_brief(rng, brief)
    sentences = [fact.sentence for fact in facts if fact.brief in text]
    stated = [detail for detail in details if detail in text]
    if stated:
        sentences.append(
            rng.choice(("Think {d}.", "It stands for {d}.")).format(d=" and ".join(stated))
        )
    if brief.purpose and brief.purpose in text:
        sentences.append(f"Made for {brief.purpose}.")
    rng.shuffle(sentences)
    priced = scene.price in text and rng.random() < 0.8
    return text, announce(rng, scene.name, sentences, price=scene.price if priced else None)


def _brief_and_target(
    rng: random.Random, scene: _Scene, *, kind: str, target: str
) -> tuple[str, str]:
    """Return a brief for the text, and the text with those facts of the brief that it must state."""
    brief = Brief(
        name=scene.name,
        category=scene.category,
        style=scene.style,
        price=scene.price,
        details=find_details(rng, target, 1 if kind in ("tag", "headline") else rng.randint(1, 4)),
        purpose=find_purpose(rng, target) if rng.random() < 0.8 else None,
    )
    facts: list[Fact] = []
    if kind in ("short", "mid", "head", "long") and rng.random() < 0.45:
        facts = invent_facts(rng, rng.choice((1, 1, 2)))
        target = put_facts(rng, target, facts)
    details = [*brief.details, *[fact.brief for fact in facts]]
    rng.shuffle(details)
    text = render_brief(rng, _with_details(brief, details))
    if facts and not all(fact.brief in text for fact in facts):
        text += rng.choice(("\n", ". ", "; ")) + ", ".join(fact.brief for fact in facts)
    if (
        kind in ("short", "mid", "head", "long")
        and scene.price not in target
        and rng.random() < 0.3
    ):
        target = put_price(rng, target, scene.price)
        ask = (
            "Mention the price." if scene.price in text else f"Mention the price of ${scene.price}."
        )
        text += rng.choice((" ", "\n")) + ask
    return text, target


def _with_details(brief: Brief, details: Sequence[str]) -> Brief:
    """Return the brief with other details."""
    return Brief(
        name=brief.name,
        category=brief.category,
        style=brief.style,
        price=brief.price,
        details=tuple(details),
        purpose=brief.purpose,
    )


def _ask(rng: random.Random, task: _Task, request: str) -> str:
    """Return the user's words: an instruction with the brief or the text inside, after or before it."""
    instruction = rng.choice(task.phrasings)
    if instruction.endswith(": {x}"):
        return instruction.format(x=request)
    place: Callable[[str], str] = rng.choice(
        (
            lambda text: instruction.format(x=text),
            lambda text: (
                instruction.format(x="this") + rng.choice((":\n", ":\n\n", ".\n\n")) + text
            ),
            lambda text: (
                instruction.format(x="\n" + text).replace(": \n", ":\n").replace(" \n", ":\n", 1)
            ),
            lambda text: (
                f"{text}\n\n{instruction.format(x=rng.choice(('this', 'the product above', 'it')))}."
            ),
        )
    )
    return place(request)


def _messages(
    rng: random.Random, task: _Task, *, request: str, target: str
) -> tuple[tuple[str, str], ...]:
    user = _ask(rng, task, request)
    if rng.random() < 0.12:
        room = (len(target) // 20 + 1) * 20
        user += rng.choice((" At most {n} characters.", "\nUse up to {n} characters.")).format(
            n=room
        )
    if rng.random() < 0.35:
        return (("user", user),)
    system = rng.choice(_SYSTEM).format(company=invent_word(rng))
    for voice in rng.sample(_VOICE, rng.choice((0, 1, 1, 2))):
        system += " " + voice
    return (("system", system), ("user", user))
