"""The exercises on records that no training has seen: every model is examined with the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from inferencecloud.evaluation.figures import Asked
from inferencecloud.training.generator.articles import post_exercise
from inferencecloud.training.generator.exercise import Exercise
from inferencecloud.training.generator.invented import invented_exercise
from inferencecloud.training.generator.mix import Sources
from inferencecloud.training.generator.records import product_exercise

_GROUNDED = ("short", "medium", "medium", "short", "long", "x", "linkedin", "email")
_INVENTED = ("short", "medium", "press", "shorten", "expand", "email", "x", "rewrite")
_LIMITED = ("short", "medium", "long", "shorten", "x", "tag")
_TRIES = 200


def loss_exercises(sources: Sources, *, seed: int) -> list[Exercise]:
    """Return one exercise of any kind on each record."""
    made = [product_exercise(_chance(seed, "loss", p.digest), p) for p in sources.products]
    return made + [
        e for p in sources.posts if (e := post_exercise(_chance(seed, "loss", p.digest), p))
    ]


def grounded(sources: Sources, *, seed: int, count: int) -> list[Exercise]:
    """Return exercises with facts on so many products."""
    return _each(
        sources, _GROUNDED, "facts", seed=seed, count=count, fits=lambda e: len(e.facts) > 1
    )


def limited(sources: Sources, *, seed: int, count: int) -> list[Exercise]:
    """Return exercises that ask for a length."""
    return _each(
        sources, _LIMITED, "limit", seed=seed, count=count, fits=lambda e: e.limit is not None
    )


def forbidding(sources: Sources, *, seed: int, count: int) -> list[Exercise]:
    """Return exercises that forbid words; every third asks for a rewriting without them."""
    kinds = ("short", "medium", "rewrite")
    return _each(sources, kinds, "avoid", seed=seed, count=count, fits=lambda e: bool(e.avoid))


def invented(*, seed: int, count: int) -> list[Exercise]:
    """Return exercises on things made up by another chance than the training's."""
    rng = _chance(seed, "invented", "held out")
    return [invented_exercise(rng, _INVENTED[place % len(_INVENTED)]) for place in range(count)]


def tried(sources: Sources, *, seed: int, count: int) -> list[Exercise]:
    """Return exercises on posts: titles, summaries and decks are tried, not promised."""
    made = []
    for place, post in enumerate(sources.posts[:count]):
        kind = ("headline", "short", "shorten")[place % 3]
        exercise = post_exercise(_chance(seed, "tried", post.digest), post, kind)
        made += [exercise] if exercise else []
    return made


def asked(exercises: Sequence[Exercise]) -> list[Asked]:
    """Return what each is asked for; the name of every other brief is foreign to it."""
    names = [exercise.facts[0] if exercise.facts else "" for exercise in exercises]
    return [
        Asked(
            facts=exercise.facts,
            foreign=tuple(
                {
                    n.split()[0]
                    for n in names
                    if n and n.split()[0].lower() not in exercise.prompt.lower()
                }
            ),
            avoid=exercise.avoid,
            limit=exercise.limit,
        )
        for exercise in exercises
    ]


def _each(
    sources: Sources,
    kinds: Sequence[str],
    purpose: str,
    *,
    seed: int,
    count: int,
    fits: Callable[[Exercise], bool],
) -> list[Exercise]:
    made = []
    for place, product in enumerate(sources.products[:count]):
        rng = _chance(seed, purpose, product.digest)
        for _ in range(_TRIES):
            exercise = product_exercise(rng, product, kinds[place % len(kinds)])
            if fits(exercise):
                made.append(exercise)
                break
    return made


def _chance(seed: int, purpose: str, digest: str) -> random.Random:
    return random.Random(f"{seed}:{purpose}:{digest}")  # noqa: S311 - no secret
