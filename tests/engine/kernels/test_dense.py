"""Layers with floating weights: what torch computes, and the same bits for a token whoever else is there."""

from __future__ import annotations

import pytest
import torch

from inferencecloud.engine.kernels import InvalidKernelInput, available
from inferencecloud.engine.kernels.dense import PanelledDense, is_panelled, panelled

SHAPES = [(1, 1), (16, 4), (17, 255), (40, 256), (33, 257), (100, 1000)]

pytestmark = pytest.mark.skipif(not available().is_native, reason="there is no compiled kernel")


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.usefixtures("compiled_path")
@pytest.mark.parametrize(("outputs", "inputs"), SHAPES)
@pytest.mark.parametrize("tokens", [1, 2, 6, 7, 13, 40])
def test_it_is_the_product_up_to_the_rounding_of_its_sums(
    outputs: int, inputs: int, tokens: int
) -> None:
    weight, bias, x = numbers(outputs, inputs), numbers(outputs, seed=1), numbers(tokens, inputs)
    true = x.double() @ weight.double().t() + bias
    size = x.abs().double() @ weight.abs().double().t() + bias.abs()

    error = ((panelled(weight, bias)(x) - true).abs() / size).max()

    assert error < 1e-6  # torch's own, over these shapes: up to 5e-7


@pytest.mark.usefixtures("compiled_path")
@pytest.mark.parametrize("narrow", [False, True])
def test_a_token_gets_the_same_bits_whoever_else_is_there(narrow: bool) -> None:
    weight, x = numbers(50, 700), numbers(29, 700, seed=2)
    layer = panelled(weight.bfloat16().float() if narrow else weight)
    together = layer(x)
    for first, count in ((0, 1), (3, 2), (5, 11), (28, 1)):
        assert torch.equal(layer(x[first : first + count]), together[first : first + count])


@pytest.mark.usefixtures("compiled_path")
def test_bfloat16_weights_are_kept_small_and_change_no_bit() -> None:
    weight, x = numbers(48, 300).bfloat16().float(), numbers(9, 300, seed=3)
    small = panelled(weight)
    wide = PanelledDense(outputs=48, panels=small.panels.float())

    assert small.panels.dtype == torch.bfloat16
    assert panelled(numbers(48, 300)).panels.dtype == torch.float32
    assert torch.equal(small(x), wide(x))


@pytest.mark.usefixtures("compiled_path")
def test_infinite_and_missing_numbers_stay_in_their_row() -> None:
    x = numbers(8, 64)
    x[2, 5], x[6, 0] = torch.nan, torch.inf
    got, clean = panelled(numbers(20, 64, seed=4))(x), [0, 1, 3, 4, 5, 7]

    assert not got[2].isfinite().any()
    assert not got[6].isfinite().any()
    assert torch.equal(got[clean], panelled(numbers(20, 64, seed=4))(x[clean]))


def test_rows_are_those_of_the_weight() -> None:
    weight = numbers(37, 24)
    ids = torch.tensor([0, 36, 5, 16, 5])
    assert torch.equal(panelled(weight).rows(ids), weight[ids])


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (4,), (2, 2, 2)])
def test_what_is_no_weight_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidKernelInput, match="Wanted a weight"):
        panelled(torch.zeros(shape))


def test_a_bias_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidKernelInput, match="Wanted a bias of 4 numbers, got"):
        panelled(numbers(4, 4), numbers(3))


@pytest.mark.parametrize("x", [torch.zeros(2, 5), torch.zeros(2, 4, dtype=torch.float64)])
def test_rows_that_do_not_fit_are_refused(x: torch.Tensor) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        panelled(numbers(4, 4))(x)


def test_other_types_and_machines_are_left_to_torch(path: str) -> None:
    assert is_panelled(numbers(4, 4)) == (path not in {"torch", "portable"})
    assert not is_panelled(numbers(4, 4).bfloat16())
