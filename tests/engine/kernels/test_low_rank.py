"""What adapters add to a layer: the product of their pairs, to the tokens that have them and to no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from inferencecloud.engine.kernels import (
    AdaptedLayer,
    InvalidKernelInput,
    LayerAdapters,
    LowRank,
    PackedLayer,
    Part,
    available,
    pack_int4,
    pack_int8,
)
from tests.engine.kernels.test_layer import (
    DIM,
    FFN,
    HEADS,
    KV_HEADS,
    WIDTH,
    Call,
    _call,
    _layer,
    needs_native,
)

RANKS = (1, 5, 16, 24)


def _part(first: int, outputs: int, inputs: int, *, rank: int, seed: int = 0) -> Part:
    chance = torch.Generator().manual_seed(1000 * first + 10 * rank + seed)
    return Part(
        first,
        torch.randn(rank, inputs, generator=chance) * 0.2,
        torch.randn(outputs, rank, generator=chance) * 0.2,
    )


def _dense(parts: list[Part], outputs: int) -> Tensor:
    weight = torch.zeros(outputs, parts[0].a.shape[1])
    for part in parts:
        weight[part.first : part.first + len(part.b)] += part.b @ part.a
    return weight


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("inputs", [3, 64, 90])
def test_each_token_gets_what_its_own_adapter_adds(path: str, rank: int, inputs: int) -> None:
    first = [_part(0, 40, inputs, rank=rank), _part(56, 20, inputs, rank=rank)]
    second = [_part(8, 33, inputs, rank=rank, seed=1)]
    own = LayerAdapters(
        owner=torch.tensor([1, -1, 0, 2, 0], dtype=torch.int32),
        adapters=(
            AdaptedLayer(up=LowRank.of(first)),
            AdaptedLayer(up=LowRank.of(second)),
            AdaptedLayer(),
        ),
    )
    x = torch.randn(5, inputs, generator=torch.Generator().manual_seed(4))
    added = own.added("up", x, 80)
    assert added is not None
    wanted = torch.zeros(5, 80)
    for row, parts in ((0, second), (2, first), (4, first)):
        wanted[row] = _dense(parts, 80) @ x[row]
    torch.testing.assert_close(added.values, wanted, rtol=1e-4, atol=1e-5)
    assert own.added("qkv", x, 80) is None


@needs_native
def test_no_other_token_changes_a_bit_nor_does_the_path() -> None:
    from inferencecloud.engine.kernels import use_path

    pair = LowRank.of([_part(0, 96, 90, rank=8)])
    x = torch.randn(40, 90, generator=torch.Generator().manual_seed(4))

    def values(rows: slice) -> Tensor:
        owner = torch.zeros(len(x[rows]), dtype=torch.int32)
        own = LayerAdapters(owner=owner, adapters=(AdaptedLayer(out=pair),))
        added = own.added("out", x[rows], 96)
        assert added is not None
        return added.values

    whole, before = values(slice(None)), available().path
    assert torch.equal(values(slice(7, 8)), whole[7:8])
    try:
        for name in available().paths[:-1]:
            use_path(name)
            assert torch.equal(values(slice(None)), whole), name
    finally:
        use_path(before)


def _adapted(rank: int, seed: int = 0) -> tuple[AdaptedLayer, dict[str, Tensor]]:
    """Return an adapter of the layer of test_layer, and its weights as they would be added."""
    joined = (HEADS + 2 * KV_HEADS) * DIM
    parts = {
        "qkv": [
            _part(0, HEADS * DIM, WIDTH, rank=rank, seed=seed),
            _part((HEADS + KV_HEADS) * DIM, KV_HEADS * DIM, WIDTH, rank=rank, seed=seed),
        ],
        "out": [_part(0, WIDTH, HEADS * DIM, rank=rank, seed=seed)],
        "up": [
            _part(0, FFN, WIDTH, rank=rank, seed=seed),
            _part(FFN, FFN, WIDTH, rank=rank, seed=seed),
        ],
        "down": [_part(0, WIDTH, FFN, rank=rank, seed=seed)],
    }
    sizes = {"qkv": joined, "out": WIDTH, "up": 2 * FFN, "down": WIDTH}
    return (
        AdaptedLayer(**{name: LowRank.of(each) for name, each in parts.items()}),
        {name: _dense(each, sizes[name]) for name, each in parts.items()},
    )


def _run(layer: PackedLayer, call: Call, owner: list[int], *adapters: AdaptedLayer) -> Tensor:
    own = LayerAdapters(owner=torch.tensor(owner, dtype=torch.int32), adapters=adapters)
    kv = (call.kv[0].clone(), call.kv[1].clone())
    return replace(call, kv=kv).run(layer, adapters=[own])


@needs_native
@pytest.mark.parametrize("pack", [pack_int8, pack_int4])
def test_a_gated_product_adds_before_the_gate(pack: object, path: str) -> None:
    layer = _layer(pack).up  # type: ignore[arg-type]
    x = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(4))
    adapter, weights = _adapted(4)
    own = LayerAdapters(owner=torch.tensor([0, -1, 0], dtype=torch.int32), adapters=(adapter,))
    got = layer(x, added=own.added("up", x, 2 * FFN))
    assert layer.bias is not None
    plain = replace(layer, shape=replace(layer.shape))._torch(x, None)
    torch.testing.assert_close(got[1], layer(x)[1], rtol=0, atol=0)
    torch.testing.assert_close(got[1], plain[1], rtol=1e-4, atol=1e-5)
    from inferencecloud.engine.kernels.low_rank import Added

    wanted = layer._torch(x, Added(x @ weights["up"].T, own.owner))
    torch.testing.assert_close(got[::2], wanted[::2], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(got[0], plain[0], atol=1e-2)


@needs_native
@pytest.mark.usefixtures("compiled_path")
@pytest.mark.parametrize("pack", [pack_int8, pack_int4])
def test_who_has_no_adapter_gets_the_same_bits_beside_one_who_has(pack: object) -> None:
    layer, call = _layer(pack), _call([(1, 20), (3, 3), (1, 9)])  # type: ignore[arg-type]
    alone = call.run(layer)
    first, second = _adapted(8)[0], _adapted(8, seed=1)[0]
    mixed = _run(layer, call, [0, -1, -1, -1, 1], first, second)
    assert torch.equal(mixed[1:4], alone[1:4])
    assert not torch.allclose(mixed[0], alone[0], atol=1e-2)
    assert torch.equal(mixed[0], _run(layer, call, [0] * 5, first)[0])
    assert torch.equal(mixed[4], _run(layer, call, [-1, 0, -1, -1, 1], first, second)[4])
    assert torch.equal(mixed[4:], _run(layer, call.only(2), [0], second))


@needs_native
@pytest.mark.usefixtures("compiled_path")
def test_a_layer_in_one_call_adds_what_the_parts_add() -> None:
    """The weights of the adapter, made part of the products: bias apart, what they add is the same."""
    layer, call = _layer(pack_int8, bias=False), _call([(2, 2)])
    adapter, weights = _adapted(4)
    got = _run(layer, call, [0, 0], adapter)
    merged = replace(
        layer,
        **{
            name: pack_int8(
                getattr(layer, name).dequantize() + weights[name], is_gated=name == "up"
            )
            for name in weights
        },
    )
    wanted = _run(merged, call, [-1, -1])
    assert torch.cosine_similarity(got, wanted, dim=1).min() > 0.999
    assert torch.cosine_similarity(got, call.run(layer), dim=1).max() < 0.999


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [_part(0, 8, 8, rank=2), _part(8, 8, 8, rank=3)],
        [_part(0, 8, 8, rank=2), _part(8, 8, 9, rank=2)],
        [_part(8 * n, 8, 8, rank=2) for n in range(4)],
    ],
)
def test_pairs_that_do_not_fit_are_refused(parts: list[Part]) -> None:
    with pytest.raises(InvalidKernelInput, match="pairs of one rank"):
        LowRank.of(parts)


@needs_native
@pytest.mark.parametrize("wrong", ["owner", "span", "inputs"])
def test_what_would_lead_out_of_memory_is_refused(wrong: str) -> None:
    pair = LowRank.of([_part(0, 20, 8, rank=2)])
    if wrong == "span":
        pair = replace(pair, spans=(0, 40, 0, 0, 0, 0))
    owner = torch.tensor([1 if wrong == "owner" else 0], dtype=torch.int32)
    own = LayerAdapters(owner=owner, adapters=(AdaptedLayer(out=pair),))
    with pytest.raises(ValueError, match=r"wanted|outputs|adapter"):
        own.added("out", torch.ones(1, 9 if wrong == "inputs" else 8), 32)
