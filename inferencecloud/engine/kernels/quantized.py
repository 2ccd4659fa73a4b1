"""Round weights to 8 or 4 bits, and what a layer is before it is laid out for the machine.

8 bits: each output has a scale, codes in -127 .. 127. 4 bits: each group of 32 or 64 inputs of an output has
a scale, codes in -8 .. 7; its scale is the one, of several, with the least squared error.

Shapes: O outputs, I inputs, P groups of inputs (1 with 8 bits).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inferencecloud.engine.kernels.attention import InvalidKernelInput

GROUPS = (32, 64)
MOST_INPUTS = 131072  # sums of products stay within 32 bits

# The greatest weight of a group becomes -8 in steps a little smaller or larger than it asks for.
_STEPS = tuple(1 / (8 - 0.25 * i) for i in range(-1, 7))


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """A weight matrix as whole numbers times scales."""

    values: Tensor  # (O, I) int8
    scale: Tensor  # (O, P) float32
    bits: int
    group: int  # inputs that share a scale; I with 8 bits

    def __post_init__(self) -> None:
        outputs, inputs = self.values.shape
        if not (0 < inputs <= MOST_INPUTS) or outputs < 1 or inputs % 4:
            raise InvalidKernelInput(
                "Wanted a weight with some outputs and a multiple of 4 inputs, at most "
                f"{MOST_INPUTS}, got the shape ({outputs}, {inputs})."
            )
        if self.bits == 4 and self.group not in GROUPS:
            raise InvalidKernelInput(f"Wanted groups of 32 or 64 inputs, got {self.group}.")
        if self.bits not in {4, 8} or (self.bits == 8 and self.group != inputs):
            raise InvalidKernelInput(
                f"Wanted 4 bits, or 8 with one group, got {self.bits} in groups of {self.group}."
            )
        if self.scale.shape != (outputs, -(-inputs // self.group)):
            raise InvalidKernelInput(
                f"Wanted scales of the shape ({outputs}, {-(-inputs // self.group)}), "
                f"got {tuple(self.scale.shape)}."
            )

    def dequantize(self) -> Tensor:
        """Return the weight (O, I) float32."""
        inputs = self.values.shape[1]
        return self.values * self.scale.repeat_interleave(self.group, dim=1)[:, :inputs]


def quantize(weight: Tensor, *, bits: int, group: int = 64) -> Codes:
    """Return the codes of a weight (O, I); `group` counts with 4 bits only.

    Raises:
        InvalidKernelInput: The weight is not finite, or bits, group or shape are not supported.
    """
    weight = weight.detach().float()
    if weight.dim() != 2 or not weight.isfinite().all():
        raise InvalidKernelInput(
            f"Wanted a weight (outputs, inputs) of finite numbers, got the shape {tuple(weight.shape)}"
            f"{' with others in it' if weight.dim() == 2 else ''}."
        )
    if bits == 4:
        return _quantize4(weight, group)
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    values = (weight / _divisor(scale)).round().clamp(-127, 127).to(torch.int8)
    return Codes(values=values, scale=scale, bits=bits, group=weight.shape[1])


def _quantize4(weight: Tensor, group: int) -> Codes:
    if group not in GROUPS:
        raise InvalidKernelInput(f"Wanted groups of 32 or 64 inputs, got {group}.")
    outputs, inputs = weight.shape
    padded = torch.nn.functional.pad(weight, (0, -inputs % group))
    grouped = padded.view(outputs, -1, group)  # (O, P, group)
    greatest = grouped.gather(2, grouped.abs().argmax(dim=2, keepdim=True))  # with its sign
    best = torch.zeros_like(greatest)
    least = torch.full_like(greatest, torch.inf)
    for step in _STEPS:
        scale = -greatest * step
        codes = (grouped / _divisor(scale)).round().clamp(-8, 7)
        error = (codes * scale - grouped).square().sum(dim=2, keepdim=True)
        best = torch.where(error < least, scale, best)
        least = torch.minimum(error, least)
    scale = _storable(best.squeeze(2))  # (O, P)
    values = (grouped / _divisor(scale)[:, :, None]).round().clamp(-8, 7).to(torch.int8)
    return Codes(
        values=values.view(outputs, -1)[:, :inputs].contiguous(), scale=scale, bits=4, group=group
    )


def row_and_group_scales(scale: Tensor) -> tuple[Tensor, Tensor]:
    """Split scales (O, P) into one of the row (O) float32 and shares of it (O, P) float16."""
    row = scale.abs().amax(dim=1)
    return row, (scale / _divisor(row)[:, None]).half()


def _storable(scale: Tensor) -> Tensor:
    row, shares = row_and_group_scales(scale)
    return row[:, None] * shares.float()


def _divisor(scale: Tensor) -> Tensor:
    """Return the scale, with 1 in place of 0: the weights there are all 0."""
    return torch.where(scale == 0, torch.ones_like(scale), scale)
