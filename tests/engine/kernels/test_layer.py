"""Layers in one call give what their parts give one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import rms_norm, silu

from inferencecloud.engine.kernels import (
    BLOCK_TOKENS,
    BYTES,
    AttentionForm,
    KernelMissing,
    PackedDecoder,
    PackedLayer,
    Places,
    RaggedBatch,
    available,
    pack_int4,
    pack_int8,
    page_shape,
    paged_attention,
    write_kv,
)
from inferencecloud.engine.kernels.dense import PanelledDense, panelled

WIDTH, FFN, HEADS, KV_HEADS, DIM = 64, 96, 4, 2, 32
needs_native = pytest.mark.skipif(not available().is_native, reason="there is no compiled kernel")


@dataclass
class Call:
    x: Tensor
    angles: tuple[Tensor, Tensor]
    kv: tuple[Tensor, Tensor]
    batch: RaggedBatch
    slots: Tensor

    def run(self, layer: PackedLayer, **places: Any) -> Tensor:
        x = self.x.clone()
        where = Places(
            positions=torch.arange(len(x)), slots=self.slots, ragged=self.batch, **places
        )
        _decoder(layer, angles=self.angles).pass_layers(x, where, [self.kv])
        return x

    def only(self, sequence: int) -> Call:
        begin, end = self.batch.query_start[sequence : sequence + 2].tolist()
        batch = RaggedBatch(
            query_start=torch.tensor([0, end - begin], dtype=torch.int32),
            context=self.batch.context[sequence : sequence + 1],
            block_tables=self.batch.block_tables[sequence : sequence + 1],
        )
        cos, sin = self.angles
        rows = slice(begin, end)
        return Call(self.x[rows], (cos[rows], sin[rows]), self.kv, batch, self.slots[rows])


def _layer(
    pack: Callable[..., Any] = pack_int8, *, norms: bool = False, bias: bool = True
) -> PackedLayer:
    chance = torch.Generator().manual_seed(1)

    def linear(outputs: int, inputs: int, **more: Any) -> Any:
        weight = torch.randn(outputs, inputs, generator=chance) * 0.1
        return pack(weight, torch.randn(outputs, generator=chance) if bias else None, **more)

    def norm(width: int) -> Tensor:
        return torch.rand(width, generator=chance) + 0.5

    return PackedLayer(
        attention_norm=norm(WIDTH),
        ffn_norm=norm(WIDTH),
        query_norm=norm(DIM) if norms else None,
        key_norm=norm(DIM) if norms else None,
        eps=1e-5,
        qkv=linear((HEADS + 2 * KV_HEADS) * DIM, WIDTH),
        out=linear(WIDTH, HEADS * DIM),
        up=linear(2 * FFN, WIDTH, is_gated=True),
        down=linear(WIDTH, FFN),
        heads=HEADS,
        kv_heads=KV_HEADS,
        form=AttentionForm(scale=DIM**-0.5, window=40),
    )


def panelled_linear(weight: Tensor, bias: Tensor | None, *, is_gated: bool = False) -> Any:
    """Like `pack_int8`; what is gated is gated by the layer alone."""
    assert not is_gated or len(weight) == 2 * FFN
    return panelled(weight, bias)


def _decoder(*layers: PackedLayer, angles: tuple[Tensor, Tensor]) -> PackedDecoder:
    chance = torch.Generator().manual_seed(3)
    return PackedDecoder(
        layers=layers,
        norm=torch.rand(WIDTH, generator=chance) + 0.5,
        eps=1e-5,
        head=pack_int8(torch.randn(40, WIDTH, generator=chance)),
        angles=angles,
    )


def _call(lengths: list[tuple[int, int]]) -> Call:
    """Sequences of (new tokens, context), each with blocks of its own; what is old is random."""
    chance = torch.Generator().manual_seed(2)
    most = max(-(-context // BLOCK_TOKENS) for _, context in lengths)
    tables = torch.arange(len(lengths) * most, dtype=torch.int32).view(len(lengths), most)
    positions = [torch.arange(context - new, context) for new, context in lengths]
    slots = [
        tables[s].long()[own // BLOCK_TOKENS] * BLOCK_TOKENS + own % BLOCK_TOKENS
        for s, own in enumerate(positions)
    ]
    new = torch.tensor([0, *(count for count, _ in lengths)])
    angle = torch.cat(positions)[:, None, None] * 0.8 ** torch.arange(DIM // 2)
    shape = (len(lengths) * most, KV_HEADS, BLOCK_TOKENS, DIM)
    return Call(
        x=torch.randn(int(new.sum()), WIDTH, generator=chance),
        angles=(angle.cos(), angle.sin()),
        kv=(torch.randn(shape, generator=chance), torch.randn(shape, generator=chance)),
        batch=RaggedBatch(
            query_start=new.cumsum(0).int(),
            context=torch.tensor([context for _, context in lengths], dtype=torch.int32),
            block_tables=tables,
        ),
        slots=torch.cat(slots),
    )


def _expected(layer: PackedLayer, call: Call) -> Tensor:
    """The parts, one after the other."""
    x, (cos, sin) = call.x, call.angles
    normed = rms_norm(x, (WIDTH,), layer.attention_norm, layer.eps)
    qkv = layer.qkv(normed).view(len(x), HEADS + 2 * KV_HEADS, DIM)
    q, k, v = qkv.split((HEADS, KV_HEADS, KV_HEADS), dim=1)
    if layer.query_norm is not None:
        q = rms_norm(q, (DIM,), layer.query_norm, layer.eps)
        k = rms_norm(k, (DIM,), layer.key_norm, layer.eps)
    turned = []
    for each in (q, k):
        first, second = each.chunk(2, dim=-1)
        turned.append(torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1))
    write_kv(turned[1], v, call.kv[0], v_cache=call.kv[1], slots=call.slots)
    gathered = paged_attention(turned[0], *call.kv, batch=call.batch, form=layer.form)
    x = x + layer.out(gathered.reshape(len(x), -1))
    hidden = layer.up(rms_norm(x, (WIDTH,), layer.ffn_norm, layer.eps))
    if isinstance(layer.up, PanelledDense):
        gate, up = hidden.chunk(2, dim=1)
        hidden = silu(gate) * up
    return x + layer.down(hidden)


def _with_bytes(call: Call) -> Call:
    """The call with its memory rounded to bytes."""
    slots = torch.arange(len(call.kv[0]) * BLOCK_TOKENS)
    rows = [each.transpose(1, 2).flatten(0, 1) for each in call.kv]
    kv = [torch.zeros(*each.shape[:2], *page_shape(DIM, BYTES), dtype=BYTES) for each in call.kv]
    write_kv(rows[0], rows[1], kv[0], v_cache=kv[1], slots=slots)
    return replace(call, kv=(kv[0], kv[1]))


RAGGED = [(1, 1), (1, 50), (20, 20), (5, 33), (1, 16), (30, 90)]


@needs_native
@pytest.mark.parametrize("pack", [pack_int8, pack_int4])
@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_layer_gives_what_its_parts_give(
    pack: Callable[..., Any], norms: bool, bias: bool
) -> None:
    layer, call = _layer(pack, norms=norms, bias=bias), _call(RAGGED)
    memory = tuple(each.clone() for each in call.kv)
    got = call.run(layer)
    keys_values, call.kv = call.kv, memory
    expected = _expected(layer, call)
    # An activation at the edge between two whole numbers may fall to either side.
    assert (got - expected).norm() / expected.norm() < 2e-3
    assert torch.equal(keys_values[0].isfinite(), call.kv[0].isfinite())
    torch.testing.assert_close(keys_values, call.kv, rtol=2e-2, atol=2e-2)


@needs_native
@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_floating_layer_gives_what_its_parts_give(norms: bool, bias: bool) -> None:
    layer, call = _layer(panelled_linear, norms=norms, bias=bias), _call(RAGGED)
    memory = tuple(each.clone() for each in call.kv)
    got = call.run(layer)
    call.kv = memory
    torch.testing.assert_close(got, _expected(layer, call), rtol=1e-4, atol=1e-5)


@needs_native
@pytest.mark.parametrize("norms", [False, True])
def test_a_layer_over_bytes_gives_what_its_parts_give(norms: bool) -> None:
    layer, call = _layer(norms=norms), _with_bytes(_call(RAGGED))
    memory = call.kv[0].clone(), call.kv[1].clone()
    got = call.run(layer)
    keys_values, call.kv = call.kv, memory
    expected = _expected(layer, call)
    assert (got - expected).norm() / expected.norm() < 4e-3
    rows = BLOCK_TOKENS * DIM
    for own, wanted in zip(keys_values, call.kv, strict=True):
        assert (own[..., :rows].int() - wanted[..., :rows].int()).abs().max() <= 2
        scales = [each[..., rows:].view(torch.float32) for each in (own, wanted)]
        torch.testing.assert_close(*scales, rtol=1e-2, atol=0)


@needs_native
@pytest.mark.parametrize("is_rounded", [False, True])
def test_a_sequence_gets_the_same_bits_alone_and_in_a_batch(is_rounded: bool) -> None:
    layer, call = _layer(norms=True), _call(RAGGED)
    if is_rounded:
        call = _with_bytes(call)
    together = call.run(layer)
    torch.set_num_threads(2)
    assert torch.equal(call.run(layer), together)
    for s in range(len(RAGGED)):
        begin, end = call.batch.query_start[s : s + 2].tolist()
        assert torch.equal(call.only(s).run(layer), together[begin:end])


def test_without_a_compiled_kernel_a_whole_decoder_is_refused(path: str) -> None:
    layer, call = _layer(), _call([(3, 20)])
    assert _decoder(layer, angles=call.angles).is_available == (path != "torch")
    if path == "torch":
        with pytest.raises(KernelMissing, match="one by one"):
            call.run(layer)


@needs_native
def test_no_tokens_are_no_work() -> None:
    call = _call([(0, 5)])
    assert call.run(_layer()).shape == (0, WIDTH)


@needs_native
@pytest.mark.parametrize(
    "spoil",
    [
        lambda call: setattr(call, "slots", call.slots + 10_000),
        lambda call: setattr(call, "slots", call.slots[1:]),
        lambda call: setattr(call, "x", call.x[:, 4:]),
        lambda call: setattr(call, "x", call.x.double()),
        lambda call: setattr(call, "angles", (call.angles[0][1:], call.angles[1])),
        lambda call: setattr(call, "kv", (call.kv[0][:, :1], call.kv[1][:, :1])),
        lambda call: call.batch.block_tables.add_(1000),
        lambda call: call.batch.context.add_(1000),
    ],
)
def test_what_does_not_fit_is_refused(spoil: Callable[[Call], object]) -> None:
    call = _call([(3, 20)])
    spoil(call)
    with pytest.raises(ValueError, match=r"\w"):
        call.run(_layer())


@needs_native
def test_layers_that_do_not_fit_each_other_are_refused() -> None:
    good = _layer()
    fields = {name: getattr(good, name) for name in good.__dataclass_fields__ if name[0] != "_"}
    for change in (
        {"down": good.out},
        {"heads": 12},
        {"ffn_norm": torch.ones(5)},
        {"up": good.qkv},
    ):
        with pytest.raises(ValueError, match=r"wanted|got"):
            _call([(3, 20)]).run(PackedLayer(**{**fields, **change}))


def _logits(call: Call, wanted: list[int], ids: list[int] | None = None, **more: Any) -> Tensor:
    layers = _layer(norms=True), replace(_layer(bias=False), eps=1e-6)
    decoder = replace(_decoder(*layers, angles=call.angles), **more)
    count = len(call.x)
    places = Places(positions=torch.arange(count), slots=call.slots, ragged=call.batch)
    token_ids = torch.tensor([n * 7 % 40 for n in range(count)] if ids is None else ids)
    memory = [call.kv, tuple(each.clone() for each in call.kv)]
    return decoder(token_ids, places, wanted=torch.tensor(wanted, dtype=torch.long), kv=memory)


@needs_native
@pytest.mark.parametrize("pack", [pack_int8, pack_int4])
def test_logits_are_the_head_of_what_the_layers_make_of_the_words(
    pack: Callable[..., Any],
) -> None:
    call = _call([(3, 20), (1, 5)])
    head = pack(torch.randn(40, WIDTH, generator=torch.Generator().manual_seed(5)))
    layers = _layer(norms=True), replace(_layer(bias=False), eps=1e-6)
    decoder = replace(_decoder(*layers, angles=call.angles), head=head)
    ids = torch.tensor([0, 7, 39, 33])
    words = torch.randn(40, WIDTH, generator=torch.Generator().manual_seed(6))
    for table in (None, words):
        x = head.rows(ids) if table is None else table[ids]
        places = Places(positions=torch.arange(4), slots=call.slots, ragged=call.batch)
        memory = [call.kv, tuple(each.clone() for each in call.kv)]
        decoder.pass_layers(x, places, memory)
        wanted = head(rms_norm(x, (WIDTH,), decoder.norm, decoder.eps))
        got = _logits(call, [0, 1, 2, 3], ids.tolist(), head=head, words=table)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


@needs_native
@pytest.mark.parametrize("is_rounded", [False, True])
def test_rows_that_nobody_wants_change_no_bit_of_the_others(is_rounded: bool) -> None:
    call = _call(RAGGED)
    if is_rounded:
        call = _with_bytes(call)
    every = _logits(call, list(range(len(call.x))))
    some = [1, 19, 20, 21, 26, 57]  # of two sequences one row, of one three, of one none
    assert torch.equal(_logits(call, some), every[some])
    assert _logits(call, []).shape == (0, 40)


@needs_native
@pytest.mark.parametrize(
    ("wanted", "ids", "problem"),
    [
        ([0], None, "row 0 is not among the last"),
        ([1, 1], None, "row 1 is not among the last"),
        ([2, 4], None, "row 4 is in no sequence"),
        ([-1], None, "row -1 is not among the last"),
        ([2], [0, 40, 0, 0], "token 40 of 40"),
        ([2], [0, -1, 0, 0], "token -1 of 40"),
    ],
)
def test_rows_and_tokens_that_are_not_there_are_refused(
    wanted: list[int], ids: list[int] | None, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        _logits(_call([(3, 20), (1, 5)]), wanted, ids)


@needs_native
def test_a_batch_without_a_beginning_is_refused() -> None:
    call = _call([(3, 20)])
    call.batch = replace(call.batch, query_start=torch.empty(0, dtype=torch.int32))
    with pytest.raises(ValueError, match="query_start: wanted"):
        _logits(call, [2])


@needs_native
def test_positions_without_angles_are_refused() -> None:
    call = _call([(3, 20)])
    call.angles = (call.angles[0][:2], call.angles[1][:2])
    with pytest.raises(ValueError, match="position 2 of 2"):
        call.run(_layer())


@needs_native
def test_tensors_with_gaps_are_as_good() -> None:
    call = _call([(3, 20), (1, 5)])
    wanted, ids = [2, 3], [0, 7, 39, 33]
    expected = _logits(call, wanted, ids)
    layers = _layer(norms=True), replace(_layer(bias=False), eps=1e-6)
    gaps = torch.tensor([ids, wanted * 2, [0, 1, 2, 3]]).t()
    places = Places(positions=gaps[:, 2], slots=call.slots, ragged=call.batch)
    memory = [call.kv, tuple(each.clone() for each in call.kv)]
    decoder = _decoder(*layers, angles=call.angles)
    assert torch.equal(decoder(gaps[:, 0], places, wanted=gaps[:2, 1], kv=memory), expected)
