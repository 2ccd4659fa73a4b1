"""Cut exercises into batches of about equal work: rounds of many examples, sorted by length.

The batches of a round are a function of (seed, round) alone, so a killed training finds its place again.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from inferencecloud.training.products import Product
from inferencecloud.training.tasks import make_exercise
from inferencecloud.training.tokens import encode_exercise

EXAMPLES_PER_ROUND = 1536


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Token ids, padded on the right, and where the answers are."""

    ids: Tensor  # (B, T) int64
    answers: Tensor  # (B, T) bool: True where the token is one to learn
    answer_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """What the batches are made of."""

    products: Sequence[Product]
    tokenizer: PreTrainedTokenizerFast
    tokens_per_batch: int
    context_tokens: int
    seed: int
    invent: bool = True

    def round(self, number: int, *, examples: int = EXAMPLES_PER_ROUND) -> list[Batch]:
        """Return the batches of one round, in the order in which they are trained."""
        rng = random.Random(f"{self.seed}:{number}")  # noqa: S311 - no secret
        rows = [self._example(rng) for _ in range(examples)]
        rows.sort(key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], int, int]]] = [[]]
        for row in rows:
            if (len(groups[-1]) + 1) * len(row[0]) > self.tokens_per_batch and groups[-1]:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        return [self._collate(group) for group in groups]

    def _example(self, rng: random.Random) -> tuple[list[int], int, int]:
        exercise = make_exercise(rng, rng.choice(self.products), invent=self.invent)
        ids, prompt = encode_exercise(self.tokenizer, exercise)
        return ids[: self.context_tokens], prompt, len(exercise.completion.encode())

    def _collate(self, rows: Sequence[tuple[list[int], int, int]]) -> Batch:
        width = max(len(ids) for ids, _, _ in rows)
        ids = torch.full((len(rows), width), int(self.tokenizer.pad_token_id), dtype=torch.long)
        answers = torch.zeros((len(rows), width), dtype=torch.bool)
        for place, (row, prompt, _) in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            answers[place, prompt : len(row)] = True
        return Batch(ids=ids, answers=answers, answer_bytes=sum(size for _, _, size in rows))
