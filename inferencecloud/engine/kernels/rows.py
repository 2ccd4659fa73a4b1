"""Round rows of numbers to bytes, each row with a scale of its own: activations, and keys and values.

Symmetric: the scale is the greatest size over 127, and each number goes to the nearest multiple of it (a tie
to the even one). In the compiled kernels it is `quantize_row` of linear.cpp, to the bit the same.
"""

from __future__ import annotations

import torch
from torch import Tensor


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return whole numbers -127 .. 127 (..., I) and scales (..., 1), both float32, from x (..., I) float32.

    A row with NaN or infinite in it has the scale NaN. A row smaller than 1e-30 throughout is 0.
    """
    greatest = x.abs().amax(dim=-1, keepdim=True)
    is_small = greatest < 1e-30
    codes = torch.where(is_small, 0.0, x * (127 / greatest)).round()
    scale = torch.where(is_small, 0.0, greatest / 127)
    is_broken = ~greatest.isfinite()
    return torch.where(is_broken, 0.0, codes), torch.where(is_broken, torch.nan, scale)
