"""The memory of keys and values: a pair of tensors a layer, cut in blocks (`blocks` says whose)."""

from __future__ import annotations

from torch import Tensor

from inferencecloud.engine.blocks import BLOCK_TOKENS


class KvMemory:
    """Keys and values of every layer: (blocks, K, BLOCK_TOKENS, D) each."""

    def __init__(
        self, like: Tensor, *, layers: int, blocks: int, kv_heads: int, head_dim: int
    ) -> None:
        """Reserve the memory, of the type and on the device of `like`; unused pages cost nothing."""
        shape = (blocks, kv_heads, BLOCK_TOKENS, head_dim)
        self.layers = [(like.new_empty(shape), like.new_empty(shape)) for _ in range(layers)]
