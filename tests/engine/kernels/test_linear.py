"""Layers of 8 and 4 bits: every instruction path to the bit as plain whole numbers, torch within rounding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from inferencecloud.engine.kernels import (
    InvalidKernelInput,
    LinearShape,
    PackedLinear,
    pack,
    pack_int4,
    pack_int8,
    quantize,
)
from inferencecloud.engine.kernels.rows import quantize_rows

KINDS: dict[str, Callable[..., PackedLinear]] = {
    "int8": pack_int8,
    "int4-64": lambda *args, **more: pack_int4(*args, group=64, **more),
    "int4-32": lambda *args, **more: pack_int4(*args, group=32, **more),
}
# (outputs, inputs): less than a panel, whole panels, one over, odd everything, groups that are not full
SHAPES = [(1, 4), (32, 64), (33, 68), (70, 260), (7, 1000), (96, 896), (130, 36)]
COUNTS = [1, 2, 3, 4, 5, 7, 12, 13, 25, 40, 70]


@pytest.fixture(params=list(KINDS))
def pack_kind(request: pytest.FixtureRequest) -> Callable[..., PackedLinear]:
    return KINDS[request.param]


def _weight(outputs: int, inputs: int, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(outputs, inputs, generator=chance) * 0.05


def _tokens(count: int, inputs: int, seed: int = 1) -> Tensor:
    return torch.randn(count, inputs, generator=torch.Generator().manual_seed(seed))


def _reference(weight: Tensor, x: Tensor, layer: PackedLinear, bias: Tensor | None) -> np.ndarray:
    """What the kernel promises, in whole numbers and float32 roundings one after the other."""
    codes = quantize(weight, bits=layer.bits, group=layer.shape.group)
    tokens, scale = (each.numpy() for each in quantize_rows(x))
    row = codes.scale.abs().amax(dim=1)
    divisor = torch.where(row == 0, 1.0, row)[:, None]
    shares = (
        (codes.scale / divisor).half().float() if layer.bits == 4 else torch.ones(len(weight), 1)
    )
    total = np.zeros((len(x), len(weight)), dtype=np.float32)
    for g in range(shares.shape[1]):
        part = slice(g * layer.shape.group, (g + 1) * layer.shape.group)
        exact = tokens[:, part].astype(np.int64) @ codes.values.numpy()[:, part].astype(np.int64).T
        total = total + exact.astype(np.float32) * shares.numpy()[None, :, g]
    result = total * row.numpy()[None] * scale
    return result if bias is None else result + bias.numpy()[None]


def _assert_as_promised(got: Tensor, expected: np.ndarray, path: str) -> None:
    if path == "torch":
        size = np.nanmax(np.abs(expected)) if expected.size else 0
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-4, atol=max(size, 0) * 1e-5)
    else:
        np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("has_bias", [False, True])
def test_a_layer_gives_what_whole_numbers_give(
    path: str, pack_kind: Callable[..., PackedLinear], shape: tuple[int, int], has_bias: bool
) -> None:
    weight = _weight(*shape)
    bias = torch.randn(shape[0]) if has_bias else None
    layer = pack_kind(weight, bias)
    for count in COUNTS:
        x = _tokens(count, shape[1])
        _assert_as_promised(layer(x), _reference(weight, x, layer, bias), path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda w, x: (w.zero_(), x),
        lambda w, x: (w, x.zero_()),
        lambda w, x: (w.fill_(1.0), x.fill_(1.0)),
        lambda w, x: (w.fill_(-1.0), x.fill_(1.0)),
        lambda w, x: (w.sign(), x.sign()),
        lambda w, x: (w * 1e30, x * 1e-20),
        lambda w, x: (w * 1e-30, x * 1e25),
        lambda w, x: (
            w.index_fill(0, torch.tensor([0, 5]), 0.0),
            x.index_fill(0, torch.tensor([1]), 0.0),
        ),
        lambda w, x: (
            w.index_fill(1, torch.tensor([3]), 1e4),
            x.index_fill(1, torch.tensor([3]), 1e4),
        ),
        lambda w, x: (w, x * 1e-31),
        lambda w, x: (w, x * torch.tensor([[1e-35], [1.0], [1e30], [1e-3], [1e38 / 5]])),
    ],
)
def test_extreme_numbers_change_nothing(
    path: str,
    pack_kind: Callable[..., PackedLinear],
    spoil: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> None:
    weight, x = spoil(_weight(65, 320), _tokens(5, 320))
    layer = pack_kind(weight)
    _assert_as_promised(layer(x), _reference(weight, x, layer, None), path)


def test_the_longest_sums_stay_exact(path: str) -> None:
    weight, x = torch.ones(2, 131072), torch.ones(1, 131072)
    layer = pack_int8(weight)
    _assert_as_promised(layer(x), _reference(weight, x, layer, None), path)


def test_a_token_gets_the_same_bits_whoever_is_beside_it(
    path: str, pack_kind: Callable[..., PackedLinear]
) -> None:
    layer = pack_kind(_weight(100, 384))
    x = _tokens(64, 384)
    together = layer(x)
    if path == "torch":  # its own rounding depends on the batch
        torch.testing.assert_close(layer(x[:1])[0], together[0])
        return
    for i in (0, 1, 31, 63):
        assert torch.equal(layer(x[i : i + 1])[0], together[i])
    torch.set_num_threads(3)
    assert torch.equal(layer(x), together)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
def test_a_token_that_is_no_number_spoils_itself_alone(
    path: str, pack_kind: Callable[..., PackedLinear], broken: float
) -> None:
    layer = pack_kind(_weight(40, 128))
    x = _tokens(3, 128)
    expected = layer(x)
    x[1, 77] = broken
    got = layer(x)
    assert got[1].isnan().all()
    torch.testing.assert_close(got[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize(("width", "inputs"), [(16, 64), (23, 96), (48, 100), (100, 260)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_a_gated_layer_is_silu_of_one_half_times_the_other(
    path: str, pack_kind: Callable[..., PackedLinear], width: int, inputs: int, has_bias: bool
) -> None:
    weight = _weight(2 * width, inputs)
    bias = torch.randn(2 * width) if has_bias else None
    layer, plain = pack_kind(weight, bias, is_gated=True), pack_kind(weight, bias)
    for count in (1, 5, 14):
        x = _tokens(count, inputs)
        gate, up = plain(x).chunk(2, dim=1)
        torch.testing.assert_close(layer(x), silu(gate) * up, rtol=1e-5, atol=1e-6)
    assert torch.equal(layer.dequantize(), plain.dequantize())


def test_the_result_goes_where_it_is_asked_for(path: str) -> None:
    layer, x = pack_int8(_weight(40, 64)), _tokens(3, 64)
    out = torch.full((3, 40), torch.nan)
    assert layer(x, out=out) is out
    assert torch.equal(out, layer(x))


def test_no_tokens_give_no_rows(path: str) -> None:
    assert pack_int8(_weight(40, 64))(torch.empty(0, 64)).shape == (0, 40)


@pytest.mark.parametrize(("kind", "error"), [("int8", 0.012), ("int4-32", 0.12), ("int4-64", 0.14)])
def test_rounding_costs_little(path: str, kind: str, error: float) -> None:
    weight, x = _weight(256, 512), _tokens(32, 512)
    exact = linear(x, weight)
    assert (KINDS[kind](weight)(x) - exact).norm() / exact.norm() < error


def test_codes_of_another_method_are_kept(pack_kind: Callable[..., PackedLinear]) -> None:
    given = pack_kind(_weight(50, 192))
    codes = quantize(_weight(50, 192), bits=given.bits, group=given.shape.group)
    torch.testing.assert_close(pack(codes).dequantize(), codes.dequantize(), rtol=1e-6, atol=0)


def test_stored_tensors_make_the_same_layer(
    path: str, pack_kind: Callable[..., PackedLinear]
) -> None:
    layer = pack_kind(_weight(50, 192), torch.randn(50))
    again = PackedLinear.from_tensors(layer.to_tensors(), layer.shape)
    assert again.panels.data_ptr() == layer.panels.data_ptr()
    assert torch.equal(again(_tokens(3, 192)), layer(_tokens(3, 192)))
    assert layer.nbytes < 50 * 192 * 4


def test_rows_are_those_of_the_weight(pack_kind: Callable[..., PackedLinear]) -> None:
    layer = pack_kind(_weight(50, 196))
    ids = torch.tensor([49, 0, 33, 33])
    torch.testing.assert_close(layer.rows(ids), layer.dequantize()[ids], rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: pack_int8(torch.ones(3, 6)),
        lambda: pack_int8(torch.ones(0, 8)),
        lambda: pack_int8(torch.ones(8)),
        lambda: pack_int8(torch.full((2, 8), torch.nan)),
        lambda: pack_int4(torch.ones(2, 8), group=48),
        lambda: pack_int8(torch.ones(2, 8), torch.ones(3)),
        lambda: pack_int8(torch.ones(3, 8), is_gated=True),
        lambda: pack_int8(torch.ones(1, 131076)),
    ],
)
def test_weights_that_do_not_fit_are_refused(attempt: Callable[[], PackedLinear]) -> None:
    with pytest.raises(InvalidKernelInput, match=r"[Ww]anted .*got"):
        attempt()


def test_tensors_that_are_not_the_layers_are_refused() -> None:
    layer = pack_int8(_weight(50, 192))
    tensors = layer.to_tensors()
    other = LinearShape(bits=8, group=196, inputs=196, outputs=50)
    with pytest.raises(InvalidKernelInput, match="panels"):
        PackedLinear.from_tensors(tensors, other)
    with pytest.raises(InvalidKernelInput, match="row_scale"):
        PackedLinear.from_tensors({"panels": tensors["panels"]}, layer.shape)


def test_tokens_of_another_width_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="192"):
        pack_int8(_weight(50, 192))(torch.ones(2, 196))
