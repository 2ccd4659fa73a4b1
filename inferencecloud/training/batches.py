"""Cut exercises into batches of about equal work: rounds of many examples, sorted by length.

The batches of a round are a function of (seed, round, share done) alone: a killed training finds its place.
Widths are multiples of 16 with one height for each, so that few shapes occur: a matrix multiplication of
another shape is made ready anew, and its memory fits no other.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from inferencecloud.training.generator.exercise import Exercise
from inferencecloud.training.generator.mix import Sources
from inferencecloud.training.tokens import encode_exercise, mark_decisive

EXAMPLES_PER_ROUND = 768
_WIDTH_STEP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Token ids, padded on the right, and where the answers are."""

    ids: Tensor  # (B, T) int64; the last rows may be padding alone
    answers: Tensor  # (B, T) bool: True where the token is one to learn
    weights: Tensor | None = None  # (B, T) fp32: how much each counts; None: all the same
    answer_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One exercise as token ids."""

    ids: list[int]
    prompt: int  # so many of them are the prompt
    decisive: list[bool]  # as long as the ids, or empty: all count the same
    answer_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What the batches are made of."""

    sources: Sources
    tokenizer: PreTrainedTokenizerFast
    tokens_per_batch: int
    context_tokens: int
    seed: int

    def round(
        self, number: int, *, done: float = 0.0, examples: int = EXAMPLES_PER_ROUND
    ) -> list[Batch]:
        """Return the batches of one round, in the order in which they are trained.

        Args:
            number: Which round.
            done: The share of the training that lies behind it: it decides on the mix.
            examples: How many exercises.
        """
        rng = random.Random(f"{self.seed}:{number}")  # noqa: S311 - no secret
        exercises = self.sources.exercises(rng, examples, done=done)
        return self.batches_of(exercises, rng)

    def batches_of(self, exercises: Sequence[Exercise], rng: random.Random) -> list[Batch]:
        """Return the exercises in batches; contrast pairs are of about one length and so stay together."""
        rows = [self._encode(exercise) for exercise in exercises]
        rows.sort(key=lambda row: len(row.ids))
        groups: list[list[_Row]] = [[]]
        for row in rows:
            if len(groups[-1]) >= self._height(self._width(row.ids)):
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        return [self._collate(group) for group in groups]

    def _encode(self, exercise: Exercise) -> _Row:
        ids, prompt = encode_exercise(self.tokenizer, exercise)
        decisive: list[bool] = []
        if self.sources.recipe.emphasis != 1:
            decisive = [False] * prompt + mark_decisive(self.tokenizer, exercise)
        return _Row(
            ids=ids[: self.context_tokens],
            prompt=prompt,
            decisive=decisive[: self.context_tokens],
            answer_bytes=len(exercise.completion.encode()),
        )

    def _width(self, ids: Sequence[int]) -> int:
        return min(-len(ids) // _WIDTH_STEP * -_WIDTH_STEP, self.context_tokens)

    def _height(self, width: int) -> int:
        return max(1, self.tokens_per_batch // width)

    def _collate(self, rows: Sequence[_Row]) -> Batch:
        width = max(self._width(row.ids) for row in rows)
        shape = (self._height(width), width)
        ids = torch.full(shape, int(self.tokenizer.pad_token_id), dtype=torch.long)
        answers = torch.zeros(shape, dtype=torch.bool)
        weights = torch.ones(shape) if rows[0].decisive else None
        for place, row in enumerate(rows):
            ids[place, : len(row.ids)] = torch.tensor(row.ids)
            answers[place, row.prompt : len(row.ids)] = True
            if weights is not None:
                weights[place, : len(row.ids)][torch.tensor(row.decisive)] = (
                    self.sources.recipe.emphasis
                )
        return Batch(
            ids=ids,
            answers=answers,
            weights=weights,
            answer_bytes=sum(row.answer_bytes for row in rows),
        )
