"""Attention of a ragged batch over keys and values that stand in blocks (PagedAttention).

Paper: Kwon et al. 2023, arXiv:2309.06180. A sequence's memory is a table of blocks of 16 tokens; one call
serves sequences that read their prompts beside sequences that write. What a sequence gets does not depend on
the rest of the batch, to the bit. The compiled kernel is in attention.h; the functions with `torch` in their
names do the same where it is not there.

Shapes: N tokens of all sequences, S sequences, H heads, G KV heads, D head width (the compiled kernel takes
multiples of 16).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels.native import is_native
from inferencecloud.engine.kernels.pages import (
    BLOCK_TOKENS,
    head_dim_of,
    read_blocks,
    write_rows,
)


class InvalidKernelInput(EngineError, ValueError):
    """A tensor given to a kernel cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaggedBatch:
    """Which tokens are whose; all int32, contiguous, on the CPU."""

    query_start: (
        Tensor  # (S + 1): the new tokens of sequence s are query_start[s] : query_start[s + 1]
    )
    context: Tensor  # (S): tokens of the sequence, the new ones included; the new ones are its last
    block_tables: Tensor  # (S, blocks at most): what lies beyond the context is not read


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionForm:
    """What differs between models."""

    scale: float
    window: int = 0  # a token sees so many tokens, itself included; 0: all before it
    soft_cap: float = 0.0  # scores become cap * tanh(score / cap); 0: they stay


def paged_attention(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, *, batch: RaggedBatch, form: AttentionForm
) -> Tensor:
    """Return what each query gathers, (N, H, D); each sees its sequence up to itself.

    Args:
        q: (N, H, D); query head h reads KV head h // (H / G). The compiled kernel takes float32.
        k_cache: (blocks, G, page) of the same type or of bytes with scales, as `pages` has it; the keys of
            the new tokens are there already.
        v_cache: As k_cache.
        batch: Whose tokens they are.
        form: Scale, window and soft cap of the model.

    Raises:
        ValueError: Shapes or types do not fit, or a table names a block that is not there.
    """
    if _fits_native(q) and q.shape[-1] % 16 == 0:
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        torch.ops.inferencecloud.paged_attention(
            q.contiguous(),
            k_cache,
            v_cache,
            batch.query_start,
            batch.context,
            batch.block_tables,
            form.scale,
            form.window,
            form.soft_cap,
            out,
        )
        return out
    return torch_paged_attention(q, k_cache, v_cache, batch=batch, form=form)


def write_kv(k: Tensor, v: Tensor, k_cache: Tensor, *, v_cache: Tensor, slots: Tensor) -> None:
    """Write keys and values (N, G, D) of new tokens to their slots (N) int64: block * 16 + offset.

    Where the memory holds bytes, a key or value with NaN or infinite in it is read as NaN throughout, and one
    smaller than 1e-30 throughout as 0.

    Raises:
        ValueError: Shapes or types do not fit, or a slot is not there.
    """
    if _fits_native(k):
        torch.ops.inferencecloud.write_kv(k.contiguous(), v.contiguous(), k_cache, v_cache, slots)
    else:
        torch_write_kv(k, v, k_cache, v_cache=v_cache, slots=slots)


def _fits_native(x: Tensor) -> bool:
    return is_native() and x.device.type == "cpu" and x.dtype == torch.float32


def _is_for_kernel(tensor: Tensor) -> bool:
    return is_native() and tensor.dtype == torch.float32 and tensor.device.type == "cpu"


def torch_paged_attention(
    q: Tensor, k_cache: Tensor, v_cache: Tensor, *, batch: RaggedBatch, form: AttentionForm
) -> Tensor:
    """Do as `paged_attention` with torch, one sequence after the other."""
    starts, contexts = batch.query_start.tolist(), batch.context.tolist()
    _check_shapes(q, k_cache, v_cache)
    _check_lengths(starts, contexts, tokens=len(q), blocks=batch.block_tables.shape[1])
    out = torch.empty_like(q)
    for s, context in enumerate(contexts):
        begin, end = starts[s], starts[s + 1]
        if begin == end:
            continue
        first = max(0, context - (end - begin) - form.window + 1) if form.window else 0
        first_block = first // BLOCK_TOKENS
        blocks = batch.block_tables[s, first_block : -(-context // BLOCK_TOKENS)].long()
        if not 0 <= int(blocks.min()) <= int(blocks.max()) < len(k_cache):
            raise InvalidKernelInput(
                f"Sequence {s} names the blocks {blocks.tolist()} of {len(k_cache)}."
            )
        seen = slice(None, context - first_block * BLOCK_TOKENS)
        keys = read_blocks(k_cache, blocks, q.dtype)[:, seen]  # (G, T, D)
        values = read_blocks(v_cache, blocks, q.dtype)[:, seen]
        out[begin:end] = _attend(q[begin:end], keys, values, form=form)
    return out


def torch_write_kv(
    k: Tensor, v: Tensor, k_cache: Tensor, *, v_cache: Tensor, slots: Tensor
) -> None:
    """Do as `write_kv` with torch."""
    wanted = (len(slots), k_cache.shape[1], _head_dim(k_cache, v_cache))
    if k.shape != wanted or v.shape != wanted:
        raise InvalidKernelInput(
            f"Wanted k and v of the shape {wanted}, got {tuple(k.shape)} and {tuple(v.shape)}."
        )
    size = k_cache.shape[0] * BLOCK_TOKENS
    if len(slots) and not 0 <= int(slots.min()) <= int(slots.max()) < size:
        raise InvalidKernelInput(
            f"Wanted slots in 0 .. {size - 1}, got {int(slots.min())} .. {int(slots.max())}."
        )
    write_rows(k_cache, k, slots)
    write_rows(v_cache, v, slots)


def _attend(q: Tensor, keys: Tensor, values: Tensor, *, form: AttentionForm) -> Tensor:
    """Return (T, H, D) for the last T tokens of a sequence of K tokens."""
    queries, heads, head_dim = q.shape
    kv_heads, length, _ = keys.shape
    grouped = (q * form.scale).view(queries, kv_heads, heads // kv_heads, head_dim)
    scores = torch.einsum("tgrd,gkd->grtk", grouped, keys)
    if form.soft_cap:
        scores = form.soft_cap * torch.tanh(scores / form.soft_cap)
    own = torch.arange(length - queries, length, device=q.device)[:, None]  # (T, 1)
    token = torch.arange(length, device=q.device)
    hidden = token > own
    if form.window:
        hidden |= token <= own - form.window
    weights = torch.softmax(scores.masked_fill(hidden, -torch.inf), dim=-1)
    return torch.einsum("grtk,gkd->tgrd", weights, values).reshape(queries, heads, head_dim)


def _head_dim(k_cache: Tensor, v_cache: Tensor) -> int:
    head_dim = head_dim_of(k_cache)
    if head_dim is None or (v_cache.shape, v_cache.dtype) != (k_cache.shape, k_cache.dtype):
        raise InvalidKernelInput(
            f"Wanted two memories of the shape (blocks, kv_heads, {BLOCK_TOKENS}, head_dim), or as bytes "
            f"(blocks, kv_heads, {BLOCK_TOKENS} * (head_dim + 4)), got {tuple(k_cache.shape)} "
            f"{k_cache.dtype} and {tuple(v_cache.shape)} {v_cache.dtype}."
        )
    return head_dim


def _check_shapes(q: Tensor, k_cache: Tensor, v_cache: Tensor) -> None:
    head_dim, kv_heads = _head_dim(k_cache, v_cache), k_cache.shape[1]
    if q.dim() != 3 or q.shape[1] % kv_heads or q.shape[2] != head_dim:
        raise InvalidKernelInput(
            f"Wanted q of the shape (tokens, heads, {head_dim}) with a multiple of {kv_heads} heads, "
            f"got {tuple(q.shape)}."
        )


def _check_lengths(starts: list[int], contexts: list[int], *, tokens: int, blocks: int) -> None:
    if starts[0] != 0 or starts[-1] != tokens or len(starts) != len(contexts) + 1:
        raise InvalidKernelInput(
            f"Wanted {len(contexts) + 1} query starts from 0 to {tokens}, got {starts}."
        )
    for s, context in enumerate(contexts):
        queries = starts[s + 1] - starts[s]
        if not 0 <= queries <= context <= blocks * BLOCK_TOKENS:
            raise InvalidKernelInput(
                f"Sequence {s} has {queries} new tokens in a context of {context} and "
                f"{blocks} blocks of {BLOCK_TOKENS}."
            )
