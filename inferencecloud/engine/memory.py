"""The memory of keys and values: a pair of tensors a layer, cut in blocks (`blocks` says whose)."""

from __future__ import annotations

import torch
from torch import Tensor

from inferencecloud.engine.kernels import page_shape


class KvMemory:
    """Keys and values of every layer: (blocks, K, page) each, as `kernels.pages` has it."""

    def __init__(
        self,
        like: Tensor,
        *,
        layers: int,
        blocks: int,
        kv_heads: int,
        head_dim: int,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Reserve the memory, on the device of `like`, of its type where none is given.

        What nobody has written to costs nothing.
        """
        dtype = dtype or like.dtype
        shape = (blocks, kv_heads, *page_shape(head_dim, dtype))
        self.layers = [
            (like.new_empty(shape, dtype=dtype), like.new_empty(shape, dtype=dtype))
            for _ in range(layers)
        ]
