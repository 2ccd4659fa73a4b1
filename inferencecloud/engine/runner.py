"""Compute one step of the plan: tokens in, logits out.

`PagedRunner` is the fast way, for the architectures that `reading` knows. `CacheRunner` runs whatever
transformers can, one sequence after the other.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from inferencecloud.engine.adapters import adapters_of
from inferencecloud.engine.blocks import BLOCK_TOKENS
from inferencecloud.engine.decoder import Batch, Decoder, forward
from inferencecloud.engine.kernels import RaggedBatch
from inferencecloud.engine.memory import KvMemory
from inferencecloud.engine.sequence import Sequence
from inferencecloud.engine.span import Span


class Runner(Protocol):
    """Runs one model."""

    shares_blocks: (
        bool  # whether what one sequence computed serves another, and drafts can be checked
    )

    @property
    def decoder(self) -> Decoder | None:
        """Return the decoder, where it is one of ours: adapters fit no other."""

    def run(self, spans: Seq[Span]) -> Tensor:
        """Compute the spans; return the logits float32: as many rows of each as it wants, in order."""

    def forget(self, sequence: Sequence) -> None:
        """Let go of what is kept for a sequence that has ended or was displaced."""


class PagedRunner:
    """Runs a decoder of our own, with the keys and values of all sequences in one memory."""

    shares_blocks = True

    def __init__(
        self, decoder: Decoder, *, blocks: int, kv_dtype: torch.dtype | None = None
    ) -> None:
        """Reserve the memory; its type by default: the model's."""
        self.decoder = decoder
        self._is_on_cpu = decoder.device.type == "cpu"
        self._memory = KvMemory(
            decoder.norm.weight,
            layers=len(decoder.layers),
            blocks=blocks,
            kv_heads=decoder.kv_heads,
            head_dim=decoder.head_dim,
            dtype=kv_dtype,
        )

    @torch.inference_mode()
    def run(self, spans: Seq[Span]) -> Tensor:
        """Compute the spans in one pass."""
        return forward(self.decoder, self._batch(spans), self._memory)

    def forget(self, sequence: Sequence) -> None:
        """Do nothing: the scheduler owns the blocks."""

    def _batch(self, spans: Seq[Span]) -> Batch:
        """Return the spans as tensors; steps are small, and lists are then made sooner than arrays."""
        ids: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        wanted: list[int] = []
        starts, context = [0], []
        for span in spans:
            begin, blocks = span.sequence.computed, span.sequence.blocks
            end = begin + span.tokens
            ids += span.token_ids
            positions += range(begin, end)
            slots += [
                blocks[position // BLOCK_TOKENS] * BLOCK_TOKENS + position % BLOCK_TOKENS
                for position in range(begin, end)
            ]
            starts.append(len(ids))
            context.append(end)
            wanted += range(len(ids) - span.rows, len(ids))
        longest = max(-(-end // BLOCK_TOKENS) for end in context)
        tables = np.zeros((len(spans), longest), dtype=np.int32)
        for row, span in zip(tables, spans, strict=True):
            used = span.sequence.blocks[:longest]
            row[: len(used)] = used
        return Batch(
            token_ids=self._tensor(ids, np.int64),
            positions=self._tensor(positions, np.int64),
            ragged=RaggedBatch(
                query_start=self._tensor(starts, np.int32),
                context=self._tensor(context, np.int32),
                block_tables=self._tensor(tables, np.int32),
            ),
            slots=self._tensor(slots, np.int64),
            wanted=self._tensor(wanted, np.int64),
            adapters=adapters_of(
                ((span.sequence.adapter, span.tokens) for span in spans), device=self.decoder.device
            ),
        )

    def _tensor(self, numbers: ArrayLike, kind: DTypeLike) -> Tensor:
        tensor = torch.from_numpy(np.asarray(numbers, dtype=kind))
        return tensor if self._is_on_cpu else tensor.to(self.decoder.device)


class CacheRunner:
    """Runs a model of transformers as it is, each sequence with a cache of its own."""

    shares_blocks = False
    decoder: Decoder | None = None

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._caches: dict[Sequence, DynamicCache] = {}

    @torch.inference_mode()
    def run(self, spans: Seq[Span]) -> Tensor:
        """Compute the spans one by one."""
        rows = [self._run_one(span) for span in spans]
        wanted = [row for row, span in zip(rows, spans, strict=True) if span.brings_token]
        return torch.stack(wanted) if wanted else torch.empty(0, 0)

    def forget(self, sequence: Sequence) -> None:
        """Drop its cache."""
        self._caches.pop(sequence, None)

    def _run_one(self, span: Span) -> Tensor:
        """Return the logits (V) after the span's last token."""
        sequence = span.sequence
        cache = self._caches.get(sequence)
        if cache is None or cache.get_seq_length() != sequence.computed:
            cache = self._caches[sequence] = self._again(sequence)
        return self._forward(span.token_ids, cache)

    def _again(self, sequence: Sequence) -> DynamicCache:
        """Return a cache of what counts as computed: after a wrong guess it is made anew."""
        cache = DynamicCache(config=self._model.config)
        if sequence.computed:
            self._forward(sequence.token_ids[: sequence.computed], cache)
        return cache

    def _forward(self, token_ids: Seq[int], cache: DynamicCache) -> Tensor:
        ids = torch.tensor([list(token_ids)], device=self._model.device)  # (1, T)
        output = self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits: Tensor = output.logits[0, -1].float()
        return logits
