"""What adapters add to the linear layers of a step: each token with its own adapter, or with none.

LoRA (Hu et al. 2021, arXiv:2106.09685, section 4.1) adds s B A x to W x. Tokens of several adapters are in
one batch, as in Punica (Chen et al. 2023, arXiv:2310.18547) and S-LoRA (Sheng et al. 2023, arXiv:2311.03285):
W x is computed once for all. Differs from both: s B A x is computed for each token by itself, not gathered by
adapter, so that a token gets the same bits whatever other tokens there are. The kernel is in adapters.cpp.

Shapes: N tokens, I inputs, O outputs, r rank, P parts of a layer that are adapted (queries, keys, values).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from inferencecloud.engine.kernels.attention import InvalidKernelInput
from inferencecloud.engine.kernels.native import is_native

NARROW = 16  # numbers that the kernel computes together
MOST_PARTS = 3


class Part(NamedTuple):
    """An adapter's pair for some outputs of a layer; the scale is in B."""

    first: int  # of the layer's outputs
    a: Tensor  # (r, I)
    b: Tensor  # (outputs, r)


class Added(NamedTuple):
    """What is added to a linear layer, before it gates."""

    values: Tensor  # (N, O) float32; 0 where nothing is added
    owner: Tensor  # (N) int32; below 0 where nothing is added


@dataclass(frozen=True, slots=True, kw_only=True)
class LowRank:
    """An adapter's part in one linear layer, laid out for the kernel: blocks of 16 outputs."""

    down: Tensor  # (P r / 16, I, 16): A of all parts, one after the other
    up: Tensor  # (outputs / 16, r, 16): B of all parts; each begins a block
    spans: tuple[
        int, ...
    ]  # first output and outputs of each of three parts; 0 of one that is not there

    @classmethod
    def of(cls, parts: Sequence[Part]) -> LowRank:
        """Lay out one to three parts of the same rank and inputs.

        Raises:
            InvalidKernelInput: Their shapes do not fit.
        """
        shapes = {part.a.shape for part in parts}
        ranks = {part.b.shape[1] for part in parts} | {part.a.shape[0] for part in parts}
        if not 1 <= len(parts) <= MOST_PARTS or len(shapes) != 1 or len(ranks) != 1:
            raise InvalidKernelInput(
                f"Wanted one to {MOST_PARTS} pairs of one rank and the same inputs, got "
                f"{[(tuple(part.a.shape), tuple(part.b.shape)) for part in parts]}."
            )
        spans = [number for part in parts for number in (part.first, len(part.b))]
        return cls(
            down=_blocks(torch.cat([part.a for part in parts])),
            up=torch.cat([_blocks(part.b) for part in parts]),
            spans=(*spans, *[0] * (2 * MOST_PARTS - len(spans))),
        )

    @property
    def nbytes(self) -> int:
        """Return the bytes that it takes."""
        return self.down.nbytes + self.up.nbytes

    def __call__(self, x: Tensor, outputs: int) -> Tensor:
        """Return what torch makes of it: (N, outputs) from x (N, I)."""
        made = x.new_zeros(len(x), outputs)
        hidden = linear(x, self.down.transpose(1, 2).flatten(0, 1))  # (N, P r, filled up)
        rows, rank = self.up.transpose(1, 2).flatten(0, 1), self.up.shape[1]
        for number in range(MOST_PARTS):
            first, width = self.spans[2 * number : 2 * number + 2]
            if not width:
                break
            own = hidden[:, number * rank : (number + 1) * rank]
            made[:, first : first + width] = linear(own, rows[:width])
            rows = rows[-(-width // NARROW) * NARROW :]
        return made


class AdaptedLayer(NamedTuple):
    """An adapter's part in one layer of a decoder; None where it leaves a product alone."""

    qkv: LowRank | None = None
    out: LowRank | None = None
    up: LowRank | None = None
    down: LowRank | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerAdapters:
    """The adapters of a step, in one layer of the decoder."""

    owner: Tensor  # (N) int32: which of them each token has, -1 for none
    adapters: tuple[AdaptedLayer, ...]

    def at(self, rows: Tensor) -> LayerAdapters:
        """Return the same for some of the tokens."""
        return replace(self, owner=self.owner[rows])

    def arguments(self) -> tuple[Tensor, list[Tensor | None], list[int]]:
        """Return what the compiled layer takes: owner, pairs, spans of qkv, out, up, down."""
        return self.owner, *_flat(
            [pair for product in zip(*self.adapters, strict=True) for pair in product]
        )

    def added(self, product: str, x: Tensor, outputs: int) -> Added | None:
        """Return what is added to a product of x (N, I); None where no adapter changes it.

        Args:
            product: A field of `AdaptedLayer`.
            x: What goes into it.
            outputs: The rows of its weight: of a gated one all, the gates first.
        """
        pairs = [getattr(adapter, product) for adapter in self.adapters]
        if not any(pairs):
            return None
        values = x.new_zeros(len(x), outputs)
        if is_native() and x.device.type == "cpu" and x.dtype == torch.float32:
            torch.ops.inferencecloud.low_rank(x.contiguous(), self.owner, *_flat(pairs), values)
            return Added(values, self.owner)
        for number, pair in enumerate(pairs):
            rows = (self.owner == number).nonzero()[:, 0]
            if pair is not None and len(rows):
                values[rows] = pair(x[rows], outputs)
        return Added(values, self.owner)


def _blocks(rows: Tensor) -> Tensor:
    """Return (blocks, I, 16) from rows (O, I), filled up with zeros."""
    filled = pad(rows, (0, 0, 0, -len(rows) % NARROW))
    return filled.view(-1, NARROW, rows.shape[1]).transpose(1, 2).contiguous()


def _flat(pairs: Sequence[LowRank | None]) -> tuple[list[Tensor | None], list[int]]:
    tensors: list[Tensor | None] = []
    spans: list[int] = []
    for pair in pairs:
        tensors += (None, None) if pair is None else (pair.down, pair.up)
        spans += (0,) * (2 * MOST_PARTS) if pair is None else pair.spans
    return tensors, spans
