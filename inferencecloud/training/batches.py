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
from inferencecloud.training.tokens import encode_exercise

EXAMPLES_PER_ROUND = 768
_WIDTH_STEP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Token ids, padded on the right, and where the answers are."""

    ids: Tensor  # (B, T) int64; the last rows may be padding alone
    answers: Tensor  # (B, T) bool: True where the token is one to learn
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
        rows.sort(key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], int, int]]] = [[]]
        for row in rows:
            if len(groups[-1]) >= self._height(self._width(row[0])):
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        return [self._collate(group) for group in groups]

    def _encode(self, exercise: Exercise) -> tuple[list[int], int, int]:
        ids, prompt = encode_exercise(self.tokenizer, exercise)
        return ids[: self.context_tokens], prompt, len(exercise.completion.encode())

    def _width(self, ids: Sequence[int]) -> int:
        return min(-len(ids) // _WIDTH_STEP * -_WIDTH_STEP, self.context_tokens)

    def _height(self, width: int) -> int:
        return max(1, self.tokens_per_batch // width)

    def _collate(self, rows: Sequence[tuple[list[int], int, int]]) -> Batch:
        width = max(self._width(ids) for ids, _, _ in rows)
        shape = (self._height(width), width)
        ids = torch.full(shape, int(self.tokenizer.pad_token_id), dtype=torch.long)
        answers = torch.zeros(shape, dtype=torch.bool)
        for place, (row, prompt, _) in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            answers[place, prompt : len(row)] = True
        return Batch(ids=ids, answers=answers, answer_bytes=sum(size for _, _, size in rows))
