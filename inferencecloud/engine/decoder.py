"""A decoder as plain tensors, and its forward pass without module calls.

One description fits Llama, Mistral, Qwen2, Qwen3, Gemma 1 to 3 and GPT-2; `reading` makes it from a model of
transformers. Shapes: N tokens of the batch, S sequences, E model width, H heads, K key-value heads, D head
width, V vocabulary, C positions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit
from torch import Tensor

from inferencecloud.engine.kernels import AttentionForm, RaggedBatch, paged_attention, write_kv
from inferencecloud.engine.kernels.layer import PackedDecoder, Places
from inferencecloud.engine.kernels.low_rank import Added, LayerAdapters
from inferencecloud.engine.memory import KvMemory


class Linear(Protocol):
    """A linear layer in whatever arithmetic: (N, I) -> (N, O)."""

    def __call__(self, x: Tensor, *, added: Added | None = None) -> Tensor:
        """Return the layer's output for every row; what adapters add comes before an activation in it."""

    @property
    def size(self) -> tuple[int, int]:
        """Return the rows and columns of its weight."""


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer as torch computes it: weight (O, I), bias (O)."""

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor, *, added: Added | None = None) -> Tensor:
        """Return x W^T + b, and what is added."""
        y = F.linear(x, self.weight, self.bias)
        return y if added is None else y.add_(added.values)

    @property
    def size(self) -> tuple[int, int]:
        """Return the rows and columns of its weight."""
        return self.weight.shape[0], self.weight.shape[1]


@dataclass(frozen=True, slots=True)
class Table:
    """An embedding: weight (V, E)."""

    weight: Tensor

    def __call__(self, token_ids: Tensor) -> Tensor:
        """Return the rows (N, E) of the ids (N)."""
        return F.embedding(token_ids, self.weight)


@dataclass(frozen=True, slots=True)
class RmsNorm:
    """Root mean square normalisation (Zhang and Sennrich 2019, arXiv:1910.07467)."""

    weight: Tensor  # (E)
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        """Return x over its root mean square, times the weight."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Layer normalisation (Ba et al. 2016, arXiv:1607.06450)."""

    weight: Tensor  # (E)
    bias: Tensor  # (E)
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        """Return x with mean 0 and variance 1, times the weight, plus the bias."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


Norm = RmsNorm | LayerNorm


@dataclass(frozen=True, slots=True)
class Rotary:
    """Rotary positions (Su et al. 2021, arXiv:2104.09864), computed for every position once."""

    cos: Tensor  # (C, 1, D/2)
    sin: Tensor  # (C, 1, D/2)

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosine and sine (N, 1, D/2) of the positions (N)."""
        return self.cos[positions], self.sin[positions]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return x (N, H, D) turned by the angles of its positions (N, 1, D/2)."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer; what a family does not have is None."""

    attention_norm: Norm
    qkv: Linear  # E -> (H + 2 K) D, queries first
    query_norm: Norm | None = None  # over D
    key_norm: Norm | None = None
    rotary: int | None = None  # which of the decoder's tables
    form: AttentionForm
    out: Linear  # H D -> E
    after_attention_norm: Norm | None = None
    ffn_norm: Norm
    up: Linear  # E -> 2 F with a gate (first half), else E -> F
    is_gated: bool = True
    activation: Callable[[Tensor], Tensor] | None  # None: `up` has it in itself, E -> F
    down: Linear  # F -> E
    after_ffn_norm: Norm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """The whole model."""

    embedding: Callable[[Tensor], Tensor]  # ids (N) -> (N, E)
    embedding_scale: float = 1.0
    positions: Tensor | None = None  # (C, E), where they are learned
    rotaries: tuple[Rotary, ...] = ()
    layers: tuple[Layer, ...]
    norm: Norm
    head: Linear  # E -> V
    heads: int
    kv_heads: int
    head_dim: int
    logit_softcap: float = 0.0  # 0: none
    context_tokens: int
    whole: PackedDecoder | None = None  # all of this in one call, where a kernel is compiled

    @property
    def dtype(self) -> torch.dtype:
        """Return the type in which it computes."""
        return self.norm.weight.dtype

    @property
    def device(self) -> torch.device:
        """Return where it lies."""
        return self.norm.weight.device


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Tokens of several sequences, one sequence after the other."""

    token_ids: Tensor  # (N) int64
    positions: Tensor  # (N) int64
    ragged: RaggedBatch
    slots: Tensor  # (N) int64: block * BLOCK_TOKENS + place, where each token's key and value go
    wanted: Tensor  # (R) int64: the rows whose next token is asked for
    adapters: tuple[LayerAdapters, ...] | None = None  # of each layer; None: no token has one


def forward(decoder: Decoder, batch: Batch, memory: KvMemory) -> Tensor:
    """Return the logits (R, V) float32 after the wanted rows; keys and values go to the memory."""
    if decoder.whole is not None and decoder.whole.is_available:
        places = Places(
            positions=batch.positions,
            slots=batch.slots,
            ragged=batch.ragged,
            adapters=batch.adapters,
        )
        return decoder.whole(batch.token_ids, places, wanted=batch.wanted, kv=memory.layers)
    x = decoder.embedding(batch.token_ids)  # (N, E)
    if decoder.embedding_scale != 1.0:
        x = x * decoder.embedding_scale
    if decoder.positions is not None:
        x = x + decoder.positions[batch.positions]
    angles = [rotary.at(batch.positions) for rotary in decoder.rotaries]
    adapters = batch.adapters or (None,) * len(decoder.layers)
    for layer, kv, adapted in zip(decoder.layers, memory.layers, adapters, strict=True):
        own = adapted
        gathered = _attention(
            decoder, layer, layer.attention_norm(x), where=(batch, angles, kv), own=own
        )
        if layer is decoder.layers[-1]:  # nothing reads the other rows any more
            gathered, x = gathered[batch.wanted], x[batch.wanted]
            own = None if own is None else own.at(batch.wanted)
        mixed = _adapted(layer.out, "out", gathered, own=own)
        if layer.after_attention_norm is not None:
            mixed = layer.after_attention_norm(mixed)
        x = x + mixed
        x = x + _feed_forward(layer, layer.ffn_norm(x), own)
    logits = decoder.head(decoder.norm(x)).float()
    if decoder.logit_softcap:
        logits = torch.tanh(logits / decoder.logit_softcap) * decoder.logit_softcap
    return logits


_Where = tuple[
    Batch, list[tuple[Tensor, Tensor]], tuple[Tensor, Tensor]
]  # batch, angles, keys-values


def _adapted(linear: Linear, product: str, x: Tensor, *, own: LayerAdapters | None) -> Tensor:
    """Return the product, and what the tokens' adapters add to it."""
    return linear(x) if own is None else linear(x, added=own.added(product, x, linear.size[0]))


def _attention(
    decoder: Decoder, layer: Layer, x: Tensor, *, where: _Where, own: LayerAdapters | None
) -> Tensor:
    """Return what every token gathers (N, H D) from those before it."""
    batch, angles, (k_cache, v_cache) = where
    heads, kv_heads, width = decoder.heads, decoder.kv_heads, decoder.head_dim
    qkv = _adapted(layer.qkv, "qkv", x, own=own).view(
        -1, heads + 2 * kv_heads, width
    )  # (N, H + 2 K, D)
    queries_keys, values = qkv[:, : heads + kv_heads], qkv[:, heads + kv_heads :]
    if layer.query_norm is not None and layer.key_norm is not None:
        queries_keys = torch.cat(
            (layer.query_norm(queries_keys[:, :heads]), layer.key_norm(queries_keys[:, heads:])),
            dim=1,
        )
    if layer.rotary is not None:
        queries_keys = rotate(queries_keys, *angles[layer.rotary])
    write_kv(queries_keys[:, heads:], values, k_cache, v_cache=v_cache, slots=batch.slots)
    gathered = paged_attention(
        queries_keys[:, :heads], k_cache, v_cache, batch=batch.ragged, form=layer.form
    )
    return gathered.reshape(-1, heads * width)


def _feed_forward(layer: Layer, x: Tensor, own: LayerAdapters | None) -> Tensor:
    hidden = _adapted(layer.up, "up", x, own=own)
    if layer.activation is not None and layer.is_gated:
        gate, up = hidden.chunk(2, dim=-1)
        hidden = layer.activation(gate) * up
    elif layer.activation is not None:
        hidden = layer.activation(hidden)
    made = _adapted(layer.down, "down", hidden, own=own)
    return made if layer.after_ffn_norm is None else layer.after_ffn_norm(made)
