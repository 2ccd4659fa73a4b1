"""Exercises from real copy: the brief is made from the text that is its answer, under a name made up anew."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from inferencecloud.evaluation.limits import has_any, has_phrase
from inferencecloud.training.generator import extract, names, orders, phrases
from inferencecloud.training.generator.exercise import Exercise
from inferencecloud.training.generator.recipe import FIRST, Recipe
from inferencecloud.training.generator.subjects import Fact, Subject, invent_terms
from inferencecloud.training.generator.swaps import Swaps, choose_swaps, choose_synonyms, put_name
from inferencecloud.training.generator.writing import X_CHARACTERS, Pen, hashtags
from inferencecloud.training.products import Product

_LENGTHS = {
    "tag": ("tag",),
    "headline": ("mid", "short"),
    "short": ("short",),
    "medium": ("mid", "head"),
    "long": ("long",),
    "x": ("short",),
    "linkedin": ("mid", "head"),
    "email": ("mid", "head"),
    "shorten": ("mid", "long", "head"),
    "rewrite": ("short", "mid", "head"),
}
_DESCRIPTIONS = ("short", "medium", "long")
_TRIES = 30


@dataclass(slots=True, kw_only=True)
class Scene:
    """A text of a product under its made-up name, and what a brief tells of it."""

    name: str
    noun: str
    category: str
    text: str
    details: list[str] = field(default_factory=list)
    purpose: str | None = None
    terms: tuple[Fact, ...] = ()
    company: str = ""

    @property
    def facts(self) -> tuple[str, ...]:
        """Return the words of the brief that stand in the text."""
        told = [
            self.name,
            *self.details,
            *([self.purpose] if self.purpose else []),
            *[term.value for term in self.terms],
        ]
        return tuple(fact for fact in told if has_phrase(self.text, fact))


def product_exercise(
    rng: random.Random, product: Product, kind: str | None = None, *, recipe: Recipe = FIRST
) -> Exercise:
    """Return an exercise on the product, of the kind or of any kind."""
    kinds = recipe.product_kinds
    kind = kind or rng.choices(list(kinds), weights=list(kinds.values()))[0]
    for _ in range(_TRIES):
        scene = _set_scene(rng, product, kind, cut=recipe.cut)
        request, answer = _ask(rng, scene, kind)
        swaps: dict[str, str] = {}
        if kind == "rewrite" or (kind in _DESCRIPTIONS and rng.random() < recipe.freed):
            swaps = _choose_freeing(rng, scene, answer, most=rng.choice((1, 2)))
        if (kind == "x" and len(answer) > X_CHARACTERS) or (kind == "rewrite" and not swaps):
            kind = "short" if kind == "rewrite" and rng.random() < 0.2 else kind
            continue
        task = _Task(kind=kind, scene=scene, request=request, answer=answer, swaps=swaps)
        exercise = _assemble(rng, task, limited=recipe.limited)
        return replace(exercise, source=product.digest)
    return product_exercise(rng, product, "medium", recipe=recipe)


def avoidance_pair(rng: random.Random, product: Product, *, recipe: Recipe) -> tuple[Exercise, ...]:
    """Return two exercises with one brief that forbid different words of one text, where it has two."""
    for _ in range(_TRIES):
        kind = rng.choice((*_DESCRIPTIONS, "rewrite"))
        scene = _set_scene(rng, product, kind, cut=recipe.cut)
        request, answer = _ask(rng, scene, kind)
        swaps = list(_choose_freeing(rng, scene, answer, most=4).items())
        if len(swaps) < 2:
            continue
        middle, seed = rng.randint(1, len(swaps) - 1), rng.getrandbits(64)
        tasks = [
            _Task(kind=kind, scene=scene, request=request, answer=answer, swaps=dict(part))
            for part in (swaps[:middle], swaps[middle:])
        ]
        return tuple(
            replace(
                _assemble(random.Random(seed), task, limited=recipe.limited),  # noqa: S311 - no secret
                source=product.digest,
            )
            for task in tasks
        )
    return (product_exercise(rng, product, recipe=recipe),)


def _choose_freeing(rng: random.Random, scene: Scene, answer: str, *, most: int) -> dict[str, str]:
    """Return worn-out words of the answer and what may stand for them; no fact has one."""
    swaps = choose_synonyms(rng, answer, most)
    kept = " ".join([scene.name, *scene.details, scene.purpose or ""])
    return {old: new for old, new in swaps.items() if not has_any(kept, (old,))}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What is asked about a scene, and the answer before words are taken out of it."""

    kind: str
    scene: Scene
    request: str
    answer: str
    swaps: Mapping[str, str]  # the forbidden words and what stands for them


def _assemble(rng: random.Random, task: _Task, *, limited: float) -> Exercise:
    kind, scene, avoid = task.kind, task.scene, tuple(task.swaps)
    answer = Swaps(words=task.swaps).apply(task.answer)
    wishes = orders.wish(rng, kind, answer, avoid=avoid, limited=limited)
    messages = [("user", orders.render_user(rng, kind, request=task.request, wishes=wishes))]
    if rng.random() < 0.6:
        tone = rng.choice(("warm", "plain")) if rng.random() < 0.3 else None
        messages.insert(0, ("system", orders.render_system(rng, tone, scene.company)))
    return Exercise(
        kind=kind,
        messages=tuple(messages),
        completion=answer,
        facts=tuple(fact for fact in scene.facts if has_phrase(answer, fact)),
        avoid=wishes.avoid,
        replacements=tuple(task.swaps.values()),
        limit=wishes.limit,
    )


def _set_scene(rng: random.Random, product: Product, kind: str, *, cut: float) -> Scene:
    """Return one of the product's texts with its own name, colours and materials exchanged in both."""
    length = rng.choice(_LENGTHS[kind])
    copy = product.copy[length]
    base = product.copy["head" if length == "head" else rng.choice(("tag", "tag", "long"))].name
    text = copy.name if kind == "headline" else copy.text
    swaps = choose_swaps(rng, f"{base} {text}") if rng.random() < 0.8 else Swaps()
    base, text = swaps.apply(base), swaps.apply(_without_prices(text))
    if cut and kind in _DESCRIPTIONS and rng.random() < cut:
        text = _leave_out(rng, text)
    brand = names.invent_word(rng)
    if rng.random() < 0.2:
        brand += f" {names.invent_number(rng)}"
    name = f"{brand} {base}"
    if kind not in ("tag", "headline"):
        text = put_name(rng, text, base=base, brand=brand)
    elif kind == "headline" or rng.random() < 0.5:
        text = (
            f"{name}: {text}"
            if kind == "tag" or base.lower() not in text.lower()
            else f"{brand} {text}"
        )
    scene = Scene(
        name=name,
        noun=product.style,
        category=product.category,
        text=text,
        company=names.invent_company(rng),
    )
    most = {"tag": 1, "headline": 1, "short": 3, "x": 2}.get(kind, 4)
    plain = text.replace(name, "")
    found = extract.find_details(rng, plain, rng.randint(0 if most == 1 else 1, most))
    scene.purpose = extract.find_purpose(rng, plain) if rng.random() < 0.7 else None
    scene.details = _separate([*found, *extract.find_numbers(plain)], scene.purpose or "")
    if kind not in ("tag", "headline"):
        _put_terms(rng, scene, near=product.price)
    return scene


def _without_prices(text: str) -> str:
    """Return the text without the sentences that tell the record's own price."""
    sentences = extract.split_sentences(text)
    return " ".join([s for s in sentences if "$" not in s] or sentences)


def _leave_out(rng: random.Random, text: str) -> str:
    """Return some of the text's sentences, at least one, in their order."""
    sentences = extract.split_sentences(text)
    kept = rng.sample(range(len(sentences)), rng.randint(1, len(sentences)))
    return " ".join(sentences[place] for place in sorted(kept))


def _separate(details: Sequence[str], purpose: str) -> list[str]:
    """Return the details of which none is part of another or of the purpose."""
    low = [*(d.lower() for d in details), purpose.lower()]
    return [
        d for d in details if not any(d.lower() != other and d.lower() in other for other in low)
    ]


def _put_terms(rng: random.Random, scene: Scene, *, near: float) -> None:
    """Put facts that nobody can guess into brief and text alike."""
    terms = invent_terms(rng, rng.choice((0, 1, 1, 2, 2, 3)), near=near)
    subject = Subject(name=scene.name, noun="piece", trade="", company=scene.company, facts=terms)
    pen = Pen(rng=rng, subject=subject)
    sentences = extract.split_sentences(scene.text)
    for sentence in pen.tell_all(sentences=len(terms)):
        place = len(sentences) if rng.random() < 0.85 else rng.randint(1, len(sentences))
        sentences.insert(place, sentence.text)
    scene.text, scene.terms = " ".join(sentences), terms


def brief_of(rng: random.Random, scene: Scene) -> str:
    """Return a brief of the scene."""
    fields = [
        (
            rng.choice(("category", "type", "range")),
            rng.choice((scene.category, f"{scene.category}, {scene.noun}", scene.noun)),
        )
    ]
    if scene.details:
        joined = rng.random() < 0.7
        label = rng.choice(
            ("details", "features", "facts", "key points", "notes", "selling points")
        )
        fields += (
            [(label, ", ".join(scene.details))]
            if joined
            else [("detail", detail) for detail in scene.details]
        )
    if scene.purpose:
        fields.append((rng.choice(("for", "audience", "use", "made for")), scene.purpose))
    fields += [(term.label, term.value) for term in scene.terms]
    return orders.render_fields(rng, scene.name, fields)


def _ask(rng: random.Random, scene: Scene, kind: str) -> tuple[str, str]:
    """Return what the user hands over, and the answer."""
    if kind == "shorten":
        sentences = extract.split_sentences(scene.text)
        naming = next((place for place, s in enumerate(sentences) if scene.name in s), 0)
        keep = {
            naming,
            *rng.sample(range(len(sentences)), rng.randint(0, max(0, len(sentences) // 2 - 1))),
        }
        return scene.text, " ".join(sentences[place] for place in sorted(keep))
    if kind == "rewrite":
        return scene.text, scene.text
    request = (
        scene.text
        if kind in ("x", "linkedin", "email") and rng.random() < 0.4
        else brief_of(rng, scene)
    )
    if kind in ("x", "linkedin", "email"):
        return _with_company(request, scene, kind), _for_channel(rng, scene, kind)
    return request, scene.text


def _with_company(request: str, scene: Scene, kind: str) -> str:
    return f"{request}\nCompany: {scene.company}" if kind == "email" else request


def _for_channel(rng: random.Random, scene: Scene, kind: str) -> str:
    subject = Subject(name=scene.name, noun=scene.noun, trade="", company=scene.company, facts=())
    pen = Pen(rng=rng, subject=subject, company=kind == "email")
    if kind == "email":
        parts = [
            pen.must_say(pool).text
            for pool in (_BARE_SUBJECTS, phrases.GREETINGS, phrases.FAREWELLS)
        ]
        return f"Subject: {parts[0]}\n\n{parts[1]}\n\n{scene.text}\n\n{parts[2]}"
    tags = hashtags(pen, most=2)
    if kind == "x":
        return f"{scene.text} {tags}" if rng.random() < 0.6 else scene.text
    ask = pen.must_say(phrases.ASKS).text
    return "\n\n".join(
        [pen.must_say(phrases.HOOKS).text, scene.text, ask, *([tags] if rng.random() < 0.7 else [])]
    )


_BARE_SUBJECTS = (
    "{name} is [here|ready|waiting for you]",
    "[New|Just in|Now here]: {name}",
    "[Meet|Say hello to] {name}",
    "[Have you seen|Do you know] {name}?",
)
