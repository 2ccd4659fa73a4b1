"""Compute one step of the plan: tokens in, logits out.

`PagedRunner` is the fast way, for the architectures that `reading` knows. `CacheRunner` runs whatever
transformers can, one sequence after the other.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from inferencecloud.engine.adapters import adapters_of
from inferencecloud.engine.blocks import BLOCK_TOKENS
from inferencecloud.engine.decoder import Batch, Decoder, forward
from inferencecloud.engine.kernels import RaggedBatch
from inferencecloud.engine.memory import KvMemory
from inferencecloud.engine.scheduler import Span
from inferencecloud.engine.sequence import Sequence


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
        counts = [span.tokens for span in spans]
        begins = [span.sequence.computed for span in spans]
        starts = np.zeros(len(spans) + 1, dtype=np.int32)
        np.cumsum(counts, out=starts[1:])
        longest = max(-(-(b + n) // BLOCK_TOKENS) for b, n in zip(begins, counts, strict=True))
        tables = np.zeros((len(spans), longest), dtype=np.int32)
        ids = np.empty(starts[-1], dtype=np.int64)
        positions = np.empty(starts[-1], dtype=np.int64)
        for row, (span, begin) in enumerate(zip(spans, begins, strict=True)):
            used = span.sequence.blocks[:longest]
            tables[row, : len(used)] = used
            here = slice(starts[row], starts[row + 1])
            ids[here] = span.token_ids
            positions[here] = np.arange(begin, begin + span.tokens)
        rows = np.repeat(np.arange(len(spans)), counts)
        blocks = tables[rows, positions // BLOCK_TOKENS].astype(np.int64)
        wanted = [
            place
            for row, span in enumerate(spans)
            for place in range(starts[row + 1] - span.rows, starts[row + 1])
        ]
        return Batch(
            token_ids=self._tensor(ids),
            positions=self._tensor(positions),
            ragged=RaggedBatch(
                query_start=self._tensor(starts),
                context=self._tensor(np.array(begins, dtype=np.int32) + np.array(counts, np.int32)),
                block_tables=self._tensor(tables),
            ),
            slots=self._tensor(blocks * BLOCK_TOKENS + positions % BLOCK_TOKENS),
            wanted=self._tensor(np.array(wanted, dtype=np.int64)),
            adapters=adapters_of(
                ((span.sequence.adapter, span.tokens) for span in spans), device=self.decoder.device
            ),
        )

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.decoder.device)


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
