"""A decoder of the Llama family in one call of a compiled kernel (decoder.cpp, step.cpp).

For decoding, where a layer takes some hundred microseconds, so that every call from Python counts. Its linear
layers are all packed (8 or 4 bits), or all panelled (floating weights).

Shapes: N tokens, R rows whose next token is wanted, E model width, D head width, V vocabulary, C positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels.attention import AttentionForm, RaggedBatch
from inferencecloud.engine.kernels.dense import PanelledDense
from inferencecloud.engine.kernels.linear import PackedLinear
from inferencecloud.engine.kernels.low_rank import LayerAdapters
from inferencecloud.engine.kernels.native import is_native

Memory = Sequence[tuple[Tensor, Tensor]]  # of every layer, as for `paged_attention`
Product = PackedLinear | PanelledDense


class KernelMissing(EngineError):
    """There is no compiled kernel for a whole decoder."""

    def __init__(self) -> None:
        super().__init__(
            "Wanted a compiled kernel for a decoder, but there is none, or its heads' width is no "
            "multiple of 16; its parts work one by one."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLayer:
    """A layer whose four products have weights of our own layout; `up` is gated by SiLU."""

    attention_norm: Tensor  # (E) float32, as all norms
    ffn_norm: Tensor  # (E)
    query_norm: Tensor | None = None  # (D)
    key_norm: Tensor | None = None
    eps: float
    qkv: Product
    out: Product
    up: Product
    down: Product
    heads: int
    kv_heads: int
    form: AttentionForm

    def arguments(self) -> tuple[object, ...]:
        """Return the layer as the compiled kernel takes it."""
        linears = (self.qkv, self.out, self.up, self.down)
        numbers = [each.numbers for each in linears]
        if isinstance(self.up, PanelledDense):  # it does not gate by itself
            numbers[2][-1] = 1
        return (
            [tensor for each in linears for tensor in _tensors(each)],
            [number for each in numbers for number in each],
            [self.attention_norm, self.ffn_norm, self.query_norm, self.key_norm],
            [self.heads, self.kv_heads, self.form.window],
            [self.eps, self.form.scale, self.form.soft_cap],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Whose tokens a step has, and where their keys and values go."""

    positions: Tensor  # (N) int64
    slots: Tensor  # (N) int64, as for `write_kv`
    ragged: RaggedBatch
    adapters: Sequence[LayerAdapters] | None = None  # of each layer; None: no token has one

    def arguments(self) -> tuple[object, ...]:
        """Return the places as the compiled kernel takes them, the adapters aside."""
        ragged = self.ragged
        own = (self.positions, self.slots)
        shared = (ragged.query_start, ragged.context, ragged.block_tables)
        return tuple(each.contiguous() for each in own + shared)

    def adapter_arguments(self) -> tuple[Tensor | None, list[Tensor | None], list[int]]:
        """Return the adapters as the compiled kernel takes them: owner, pairs, spans."""
        if self.adapters is None:
            return None, [], []
        each = [own.arguments() for own in self.adapters]
        pairs = [tensor for _, tensors, _ in each for tensor in tensors]
        return each[0][0], pairs, [number for _, _, spans in each for number in spans]


@dataclass(slots=True, eq=False, kw_only=True)
class PackedDecoder:
    """A decoder whose products have weights of our own layout, from ids to logits."""

    layers: tuple[PackedLayer, ...]
    norm: Tensor  # (E) float32
    eps: float
    words: Tensor | None = None  # (V, E) float32; None: the rows of the head
    head: Product
    angles: tuple[Tensor, Tensor]  # cosine and sine of every position, (C, 1, D / 2) float32 each
    _compiled: Any = field(init=False, default=None, repr=False)

    @property
    def is_available(self) -> bool:
        """Tell whether the kernel is there and takes such a decoder."""
        return is_native() and self.angles[0].shape[-1] % 8 == 0

    @property
    def is_quantized(self) -> bool:
        """Tell whether its weights and activations are rounded."""
        return isinstance(self.head, PackedLinear)

    def __call__(self, token_ids: Tensor, places: Places, *, wanted: Tensor, kv: Memory) -> Tensor:
        """Return the logits (R, V) float32; keys and values go to the memory.

        Args:
            token_ids: (N) int64.
            places: Whose they are.
            wanted: (R) int64, rising: the rows whose next token is asked for, the last of sequences.
            kv: The memory of every layer.

        Raises:
            KernelMissing: There is no compiled kernel for such a decoder; `is_available` tells.
            ValueError: Shapes do not fit, or a token, a position, a slot or a block is not there.
        """
        keys, values = [each[0] for each in kv], [each[1] for each in kv]
        logits: Tensor = self._kernel().forward(
            token_ids.contiguous(),
            *places.arguments(),
            wanted.contiguous(),
            keys,
            values,
            *places.adapter_arguments(),
        )
        return logits

    def pass_layers(self, x: Tensor, places: Places, kv: Memory) -> None:
        """Replace x (N, E) float32, contiguous, by what the layers alone make of it.

        Raises:
            KernelMissing, ValueError: As for a call.
        """
        keys, values = [each[0] for each in kv], [each[1] for each in kv]
        self._kernel().layers(x, *places.arguments(), keys, values, *places.adapter_arguments())

    def _kernel(self) -> Any:
        """Return the decoder as the kernel holds it, made and checked at the first call."""
        if not self.is_available:
            raise KernelMissing
        if self._compiled is None:
            made = torch.classes.inferencecloud.Decoder(
                self.norm,
                self.eps,
                self.words,
                _tensors(self.head),
                self.head.numbers,
                *self.angles,
            )
            for layer in self.layers:
                made.add_layer(*layer.arguments())
            self._compiled = made
        return self._compiled


def _tensors(linear: Product) -> list[Tensor | None]:
    row_scale = linear.row_scale if isinstance(linear, PackedLinear) else None
    return [linear.panels, row_scale, linear.bias]
