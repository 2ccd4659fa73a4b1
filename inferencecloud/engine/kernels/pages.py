"""How the KV memory holds keys and values: in the model's own type, or as bytes with scales.

A page is what one KV head has in one block. In the model's type it is (16, D). As bytes it is 16 rows of D
and behind them 16 scales, one for each token, in one stream of memory: D + 4 bytes where float32 takes 4 D.
Scales are float32. Float16 would end at 65504, would be coarse below 6e-5 and would add an error of its own
to whole rows, to save 3 % of the memory at D = 64.

Per-token quantization of keys and values as in Liu et al. 2024 (KIVI), arXiv:2402.02750, section 3.1. What
differs: 8 bits, symmetric, and a scale for each KV head, so that no head is as coarse as the loudest.

Shapes: N tokens, B blocks, G KV heads, D head width, T tokens of one sequence.
"""

from __future__ import annotations

import torch
from torch import Tensor, unflatten

from inferencecloud.engine.kernels.rows import quantize_rows

BLOCK_TOKENS = 16
BYTES = torch.int8  # the type of a memory that holds bytes with scales

_SCALE_BYTES = torch.float32.itemsize


def page_shape(head_dim: int, dtype: torch.dtype) -> tuple[int, ...]:
    """Return the shape of a page in a memory of the type; a memory is (B, G, page)."""
    if dtype == BYTES:
        return (BLOCK_TOKENS * (head_dim + _SCALE_BYTES),)
    return (BLOCK_TOKENS, head_dim)


def head_dim_of(memory: Tensor) -> int | None:
    """Return the head width of a memory, or None where it has no such shape."""
    if memory.dtype != BYTES:
        fits = memory.dim() == 4 and memory.shape[2] == BLOCK_TOKENS
        return memory.shape[3] if fits else None
    if memory.dim() != 3 or memory.shape[2] % BLOCK_TOKENS:
        return None
    width = memory.shape[2] // BLOCK_TOKENS - _SCALE_BYTES
    return width if width > 0 else None


def write_rows(memory: Tensor, rows: Tensor, slots: Tensor) -> None:
    """Write the keys, or the values, (N, G, D) of tokens to their slots (N) int64."""
    block, place = slots // BLOCK_TOKENS, slots % BLOCK_TOKENS
    if memory.dtype != BYTES:
        memory[block, :, place] = rows
        return
    codes, scales = _parts(memory)
    rounded, scale = quantize_rows(rows.float())
    codes[block, :, place] = rounded.to(BYTES)
    scales[block, :, place] = scale[..., 0]


def read_blocks(memory: Tensor, blocks: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what stands in the blocks of a sequence, one after the other: (G, T, D) of the type."""
    if memory.dtype == BYTES:
        codes, scales = _parts(memory)
        found = (codes[blocks].float() * scales[blocks][..., None]).to(dtype)
    else:
        found = memory[blocks]  # (blocks, G, 16, D)
    return found.transpose(0, 1).flatten(1, 2)


def _parts(memory: Tensor) -> tuple[Tensor, Tensor]:
    """Return views of the bytes (B, G, 16, D) and of the scales (B, G, 16) float32 of a memory."""
    numbers = memory.shape[2] - BLOCK_TOKENS * _SCALE_BYTES
    codes = unflatten(memory[:, :, :numbers], 2, (BLOCK_TOKENS, -1))
    return codes, memory[:, :, numbers:].view(torch.float32)
