"""One layer of a decoder of the Llama family in one call of a compiled kernel (step.cpp).

For decoding, where a layer takes some hundred microseconds, so that every call from Python counts.

Shapes: N tokens, E model width, D head width.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels.attention import AttentionForm, RaggedBatch
from inferencecloud.engine.kernels.linear import PackedLinear
from inferencecloud.engine.kernels.low_rank import LayerAdapters
from inferencecloud.engine.kernels.native import is_native


class KernelMissing(EngineError):
    """There is no compiled kernel for a whole layer."""

    def __init__(self) -> None:
        super().__init__(
            "Wanted a compiled kernel for a layer, but there is none, or its heads' width is no "
            "multiple of 16; its parts work one by one."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLayer:
    """A layer whose four products have packed weights; `up` is gated."""

    attention_norm: Tensor  # (E) float32, as all norms
    ffn_norm: Tensor  # (E)
    query_norm: Tensor | None = None  # (D)
    key_norm: Tensor | None = None
    eps: float
    qkv: PackedLinear
    out: PackedLinear
    up: PackedLinear
    down: PackedLinear
    heads: int
    kv_heads: int
    form: AttentionForm
    _arguments: tuple[object, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        linears = (self.qkv, self.out, self.up, self.down)
        arguments = (
            [tensor for each in linears for tensor in (each.panels, each.row_scale, each.bias)],
            [number for each in linears for number in each.numbers],
            [self.attention_norm, self.ffn_norm, self.query_norm, self.key_norm],
            [self.heads, self.kv_heads, self.form.window],
            [self.eps, self.form.scale, self.form.soft_cap],
        )
        object.__setattr__(self, "_arguments", arguments)

    @property
    def is_available(self) -> bool:
        """Tell whether the kernel is there and takes such a layer."""
        return (
            is_native() and (self.qkv.shape.outputs // (self.heads + 2 * self.kv_heads)) % 16 == 0
        )

    def __call__(
        self,
        x: Tensor,
        angles: tuple[Tensor, Tensor],
        kv: tuple[Tensor, Tensor],
        *,
        batch: RaggedBatch,
        slots: Tensor,
        adapters: LayerAdapters | None = None,
    ) -> None:
        """Replace x by what the layer makes of it; keys and values go to the memory.

        Args:
            x: (N, E) float32, contiguous.
            angles: Cosine and sine of the positions, (N, 1, D / 2) float32 each.
            kv: The layer's memory, as for `paged_attention`.
            batch: Whose tokens they are.
            slots: (N) int64, as for `write_kv`.
            adapters: Which of the tokens have adapters; None: none has.

        Raises:
            KernelMissing: There is no compiled kernel for such a layer; `is_available` tells.
            ValueError: Shapes do not fit, or a slot or a block is not there.
        """
        if not self.is_available:
            raise KernelMissing
        torch.ops.inferencecloud.decoder_layer(
            x,
            *self._arguments,
            *angles,
            *kv,
            slots,
            batch.query_start,
            batch.context,
            batch.block_tables,
            *((None, [], []) if adapters is None else adapters.arguments()),
        )
