"""Linear layers with weights of 8 or 4 bits, laid out as the machine reads them.

Activations are rounded to 8 bits with one scale for each token; sums are exact integers, so a token gets the
same bits whatever other tokens there are (from compiled kernels; torch's own rounding depends on the batch).
The compiled kernel is in linear.cpp.

A panel is 32 outputs. 8 bits: (I / 4, 32, 4) bytes, each a code + 128. 4 bits: for each group of inputs 32
float16 scales, then (group / 8, 32, 4) bytes, each a code + 8 of a quad of inputs in its low half and of the
next quad in its high half. So one panel is one stream of memory.

Shapes: N tokens, I inputs, O outputs, P panels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, unflatten
from torch.nn.functional import linear, pad, silu

from inferencecloud.engine.kernels.attention import InvalidKernelInput
from inferencecloud.engine.kernels.low_rank import Added
from inferencecloud.engine.kernels.native import is_native
from inferencecloud.engine.kernels.quantized import Codes, quantize, row_and_group_scales
from inferencecloud.engine.kernels.rows import quantize_rows

PANEL_ROWS = 32
_QUAD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearShape:
    """What a packed layer is, beside its tensors."""

    bits: int
    group: int  # inputs that share a scale; all of them with 8 bits
    inputs: int
    outputs: int  # rows of the weight; a gated layer returns half as many
    is_gated: bool = False  # the first half of the outputs gates the second: silu(gate) * up

    @property
    def padded_inputs(self) -> int:
        """Return the inputs with those that fill the last group."""
        return -(-self.inputs // self.group) * self.group

    @property
    def width(self) -> int:
        """Return the number of outputs of a call."""
        return self.outputs // 2 if self.is_gated else self.outputs


@dataclass(slots=True, kw_only=True)
class PackedLinear:
    """A linear layer that is ready to compute; the tensors may be views of a mapped file."""

    shape: LinearShape
    panels: Tensor  # (P, bytes) uint8
    row_scale: Tensor  # (P * 32) float32
    bias: Tensor | None = None  # (P * 32) float32
    _dense: Tensor | None = field(default=None, repr=False)  # for torch alone

    def __call__(
        self, x: Tensor, out: Tensor | None = None, *, added: Added | None = None
    ) -> Tensor:
        """Return (N, O) float32 from x (N, I) float32, written to `out` where it is given.

        What adapters add comes before the gate. A row with NaN or infinite in it comes out as NaN. Rows
        smaller than 1e-30 throughout count as 0.

        Raises:
            ValueError: The shapes do not fit.
        """
        if not (is_native() and x.device.type == "cpu"):
            result = self._torch(x, added)
            return result if out is None else out.copy_(result)
        if out is None:
            out = torch.empty(len(x), self.shape.width)
        torch.ops.inferencecloud.linear(
            x.contiguous(),
            self.panels,
            self.row_scale,
            self.bias,
            self.numbers,
            *(added or (None, None)),
            out,
        )
        return out

    @property
    def numbers(self) -> list[int]:
        """Return the shape as the compiled kernel takes it."""
        s = self.shape
        return [s.bits, s.group, s.inputs, s.outputs, int(s.is_gated)]

    @property
    def size(self) -> tuple[int, int]:
        """Return the rows and columns of its weight."""
        return self.shape.outputs, self.shape.inputs

    @property
    def bits(self) -> int:
        """Return the bits of a weight, its share of a scale aside."""
        return self.shape.bits

    @property
    def nbytes(self) -> int:
        """Return the bytes that a call reads."""
        return self.panels.nbytes + self.row_scale.nbytes

    def to_tensors(self) -> dict[str, Tensor]:
        """Return what is to be stored beside the shape."""
        tensors = {"panels": self.panels, "row_scale": self.row_scale}
        return tensors if self.bias is None else {**tensors, "bias": self.bias}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], shape: LinearShape) -> PackedLinear:
        """Return the layer over stored tensors, without a copy.

        Raises:
            InvalidKernelInput: A tensor is missing or is not what the shape asks for.
        """
        for name, (wanted, dtype) in _layout(shape).items():
            tensor = tensors.get(name)
            if tensor is None and name == "bias":
                continue
            if tensor is None or tuple(tensor.shape) != wanted or tensor.dtype != dtype:
                got = None if tensor is None else (tuple(tensor.shape), tensor.dtype)
                raise InvalidKernelInput(
                    f"Wanted {name} of the shape {wanted} and type {dtype}, got {got}."
                )
        return cls(
            shape=shape,
            panels=tensors["panels"],
            row_scale=tensors["row_scale"],
            bias=tensors.get("bias"),
        )

    def rows(self, ids: Tensor) -> Tensor:
        """Return rows of the weight (N, I) float32: a head serves as the embedding, too."""
        panels, places = ids // PANEL_ROWS, ids % PANEL_ROWS
        if self.shape.bits == 8:  # the quads of these rows alone
            quads = self.panels.view(len(self.panels), -1, PANEL_ROWS, _QUAD)[panels, :, places]
            codes = quads.flatten(1).float() - 128
            return (codes * self.row_scale[ids, None])[:, : self.shape.inputs]
        codes, shares = _unpacked(self.panels[panels], self.shape)  # (N, 32, I), (N, 32, groups)
        own = torch.arange(len(ids), device=ids.device)
        scale = (shares[own, places] * self.row_scale[ids, None]).repeat_interleave(
            self.shape.group, dim=1
        )
        return (codes[own, places] * scale)[:, : self.shape.inputs]

    def dequantize(self) -> Tensor:
        """Return the weight (O, I) float32 in the order in which it was given."""
        codes, shares = _unpacked(self.panels, self.shape)
        scale = shares * self.row_scale.view(-1, PANEL_ROWS, 1)
        dense = codes * scale.repeat_interleave(self.shape.group, dim=2)
        return self._ordered(dense.flatten(0, 1))[:, : self.shape.inputs]

    def _ordered(self, rows: Tensor) -> Tensor:
        if not self.shape.is_gated:
            return rows[: self.shape.outputs]
        halves = unflatten(rows, 0, (-1, 2, PANEL_ROWS // 2)).transpose(0, 1).flatten(1, 2)
        return halves[:, : self.shape.width].flatten(0, 1)

    def _torch(self, x: Tensor, added: Added | None) -> Tensor:
        if x.dim() != 2 or x.shape[1] != self.shape.inputs:
            raise InvalidKernelInput(
                f"Wanted x of the shape (tokens, {self.shape.inputs}), got {tuple(x.shape)}."
            )
        if self._dense is None:
            self._dense = self.dequantize()
        bias = None if self.bias is None else self._ordered(self.bias)
        codes, scale = quantize_rows(x)
        y = linear(codes, self._dense) * scale
        y = y if bias is None else y + bias
        y = y if added is None else y + added.values
        if not self.shape.is_gated:
            return y
        gate, up = y.chunk(2, dim=1)
        return silu(gate) * up


def pack_int8(
    weight: Tensor, bias: Tensor | None = None, *, is_gated: bool = False
) -> PackedLinear:
    """Round a weight (O, I) to 8 bits and lay it out; I a multiple of 4."""
    return pack(quantize(weight, bits=8), bias, is_gated=is_gated)


def pack_int4(
    weight: Tensor, bias: Tensor | None = None, *, group: int = 64, is_gated: bool = False
) -> PackedLinear:
    """Round a weight (O, I) to 4 bits in groups of 32 or 64 inputs and lay it out; I a multiple of 4."""
    return pack(quantize(weight, bits=4, group=group), bias, is_gated=is_gated)


def pack(codes: Codes, bias: Tensor | None = None, *, is_gated: bool = False) -> PackedLinear:
    """Lay out codes; where the layer is gated, the upper half of the rows gates the lower.

    Raises:
        InvalidKernelInput: The bias has another length, or a gated layer an odd number of outputs.
    """
    outputs, inputs = codes.values.shape
    if bias is not None and bias.shape != (outputs,):
        raise InvalidKernelInput(f"Wanted a bias of {outputs} numbers, got {tuple(bias.shape)}.")
    if is_gated and outputs % 2:
        raise InvalidKernelInput(f"Wanted an even number of outputs to gate, got {outputs}.")
    shape = LinearShape(
        bits=codes.bits, group=codes.group, inputs=inputs, outputs=outputs, is_gated=is_gated
    )
    row_scale, shares = (
        (codes.scale[:, 0], None) if codes.bits == 8 else row_and_group_scales(codes.scale)
    )
    values = _in_panels(pad(codes.values, (0, shape.padded_inputs - inputs)), shape)
    panels = (
        _panels8(values)
        if shares is None
        else _panels4(values, _in_panels(shares, shape), group=codes.group)
    )
    return PackedLinear(
        shape=shape,
        panels=panels,
        row_scale=_in_panels(row_scale.float(), shape).flatten().contiguous(),
        bias=None
        if bias is None
        else _in_panels(bias.detach().float(), shape).flatten().contiguous(),
    )


def _in_panels(rows: Tensor, shape: LinearShape) -> Tensor:
    """Return (P, 32, ...) from (O, ...); gates and what they gate lie half and half in a panel."""
    if not shape.is_gated:
        return unflatten(_filled(rows, PANEL_ROWS), 0, (-1, PANEL_ROWS))
    half = PANEL_ROWS // 2
    halves = [unflatten(_filled(part, half), 0, (-1, half)) for part in rows.chunk(2)]
    return torch.cat(halves, dim=1)


def _filled(rows: Tensor, multiple: int) -> Tensor:
    missing = -len(rows) % multiple
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows


def _panels8(values: Tensor) -> Tensor:
    """Return (P, bytes) from codes (P, 32, I) int8."""
    quads = unflatten(values, 2, (-1, _QUAD)).transpose(1, 2)  # (P, I / 4, 32, 4)
    return (quads.to(torch.int16) + 128).to(torch.uint8).flatten(1).contiguous()


def _panels4(values: Tensor, shares: Tensor, *, group: int) -> Tensor:
    """Return (P, bytes) from codes (P, 32, I) int8 and scales (P, 32, groups) float16."""
    pairs = unflatten((values + 8).to(torch.uint8), 2, (-1, group // 8, 2, _QUAD))
    nibbles = pairs[:, :, :, :, 0] | (pairs[:, :, :, :, 1] << 4)  # (P, 32, groups, group / 8, 4)
    nibbles = nibbles.permute(0, 2, 3, 1, 4).flatten(2)  # (P, groups, bytes)
    scales = shares.transpose(1, 2).contiguous().view(torch.uint8)  # (P, groups, 64)
    return torch.cat([scales, nibbles], dim=2).flatten(1).contiguous()


def _unpacked(panels: Tensor, shape: LinearShape) -> tuple[Tensor, Tensor]:
    """Return codes (P, 32, I) and shares of the row's scale (P, 32, groups), float32."""
    if shape.bits == 8:
        quads = panels.view(len(panels), -1, PANEL_ROWS, _QUAD).transpose(1, 2).flatten(2)
        return quads.float() - 128, panels.new_ones(len(panels), PANEL_ROWS, 1).float()
    groups = panels.view(len(panels), shape.padded_inputs // shape.group, -1)
    scales = groups[:, :, : 2 * PANEL_ROWS].contiguous().view(torch.float16).transpose(1, 2)
    nibbles = unflatten(groups[:, :, 2 * PANEL_ROWS :], 2, (-1, PANEL_ROWS, _QUAD))
    halves = torch.stack([nibbles & 15, nibbles >> 4], dim=3)  # (P, groups, group / 8, 2, 32, 4)
    codes = halves.permute(0, 4, 1, 2, 3, 5).flatten(2)  # (P, 32, I)
    return codes.float() - 8, scales.float()


def _layout(shape: LinearShape) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Return the shape and the type of each stored tensor."""
    rows = PANEL_ROWS // 2 if shape.is_gated else PANEL_ROWS
    panels = -(-shape.width // rows)
    groups = shape.padded_inputs // shape.group
    size = shape.padded_inputs * PANEL_ROWS
    if shape.bits == 4:
        size = groups * (2 * PANEL_ROWS) + size // 2
    return {
        "panels": ((panels, size), torch.uint8),
        "row_scale": ((panels * PANEL_ROWS,), torch.float32),
        "bias": ((panels * PANEL_ROWS,), torch.float32),
    }
