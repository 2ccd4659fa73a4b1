"""Which exercises come when: first what is made up, where reading is all, then more and more real copy."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from inferencecloud.training.generator.articles import post_exercise
from inferencecloud.training.generator.exercise import Exercise
from inferencecloud.training.generator.invented import contrast_pair, invented_exercise
from inferencecloud.training.generator.recipe import FIRST, Recipe, Shares
from inferencecloud.training.generator.records import avoidance_pair, product_exercise
from inferencecloud.training.posts import Post
from inferencecloud.training.products import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What exercises are made of.

    Args:
        products: Records of products; may be empty.
        posts: Records of posts; may be empty.
        instructed: False: the texts alone, without brief or instruction, to compare with.
        recipe: How they are mixed.
    """

    products: Sequence[Product]
    posts: Sequence[Post] = ()
    instructed: bool = True
    recipe: Recipe = FIRST

    def exercises(self, rng: random.Random, count: int, *, done: float) -> list[Exercise]:
        """Return so many exercises as the training has them when this share of it is done."""
        shares = next(shares for shares in self.recipe.phases if done <= shares.until)
        made: list[Exercise] = []
        while len(made) < count:
            made += self._draw(rng, shares)
        if not self.instructed:
            return [replace(exercise, messages=()) for exercise in made[:count]]
        return made[:count]

    def _draw(self, rng: random.Random, shares: Shares) -> tuple[Exercise, ...]:
        place = rng.random()
        if place < shares.contrast / 2:
            return contrast_pair(rng)
        place -= shares.contrast / 2
        if self.products and place < shares.products:
            product = rng.choice(self.products)
            return (product_exercise(rng, product, recipe=self.recipe),)
        place -= shares.products
        if self.posts and 0 <= place < shares.posts:
            exercise = post_exercise(rng, rng.choice(self.posts))
            return (exercise,) if exercise else ()
        place -= shares.posts
        if self.products and 0 <= place < shares.avoidance / 2:
            return avoidance_pair(rng, rng.choice(self.products), recipe=self.recipe)
        return (invented_exercise(rng),)
