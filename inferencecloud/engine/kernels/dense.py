"""Linear layers with floating weights, laid out as the machine reads them.

Torch's own product of a few rows with a matrix leaves much of the memory's bandwidth unused, on some
machines most of it. The compiled kernel is in dense.cpp. Weights that were bfloat16 before they became
float32 are kept as bfloat16 and widened on their way: the same numbers, half the memory. Every output is
summed in the same order always, so a token gets the same bits whatever other tokens there are.

A panel is 16 outputs. Shapes: N tokens, I inputs, O outputs, P panels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, unflatten
from torch.nn.functional import pad

from inferencecloud.engine.kernels.attention import InvalidKernelInput
from inferencecloud.engine.kernels.low_rank import Added
from inferencecloud.engine.kernels.native import PORTABLE, TORCH, available

PANEL_ROWS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelledDense:
    """A linear layer for the compiled kernel."""

    outputs: int
    panels: Tensor  # (P, I, 16) float32 or bfloat16
    bias: Tensor | None = None  # (P * 16) float32

    def __call__(self, x: Tensor, *, added: Added | None = None) -> Tensor:
        """Return (N, O) float32 from x (N, I) float32: x W^T + b, and what is added.

        Raises:
            ValueError: The shapes do not fit, or x is of another type.
        """
        out = torch.empty(len(x), self.outputs)
        torch.ops.inferencecloud.dense(x.contiguous(), self.panels, self.bias, self.outputs, out)
        return out if added is None else out.add_(added.values)

    @property
    def numbers(self) -> list[int]:
        """Return the shape as the compiled decoder takes it."""
        return [self.panels.dtype.itemsize * 8, 0, self.panels.shape[1], self.outputs, 0]

    @property
    def size(self) -> tuple[int, int]:
        """Return the rows and columns of the weight."""
        return self.outputs, self.panels.shape[1]

    def rows(self, ids: Tensor) -> Tensor:
        """Return rows of the weight (N, I) float32: a head serves as the embedding, too."""
        return self.panels[ids // PANEL_ROWS, :, ids % PANEL_ROWS].float()


def is_panelled(weight: Tensor) -> bool:
    """Tell whether the kernel is there, takes such a weight, and is meant to be fast on this machine."""
    fits = weight.device.type == "cpu" and weight.dtype == torch.float32
    return fits and available().path not in {TORCH, PORTABLE}


def panelled(weight: Tensor, bias: Tensor | None = None) -> PanelledDense:
    """Lay out a weight (O, I) float32 with its bias (O).

    Raises:
        InvalidKernelInput: The shapes do not fit, or there is nothing to lay out.
    """
    outputs = weight.shape[0]
    if weight.dim() != 2 or weight.numel() == 0:
        raise InvalidKernelInput(f"Wanted a weight (outputs, inputs), got {tuple(weight.shape)}.")
    if bias is not None and bias.shape != (outputs,):
        raise InvalidKernelInput(f"Wanted a bias of {outputs} numbers, got {tuple(bias.shape)}.")
    missing = -outputs % PANEL_ROWS
    narrow = weight.bfloat16()
    kept = narrow if torch.equal(narrow.float(), weight) else weight
    panels = unflatten(pad(kept, (0, 0, 0, missing)), 0, (-1, PANEL_ROWS)).transpose(1, 2)
    return PanelledDense(
        outputs=outputs,
        panels=panels.contiguous(),
        bias=None if bias is None else pad(bias.float(), (0, missing)).contiguous(),
    )
