"""A quantized model in the engine: the words of its own weights, whatever the batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from inferencecloud.engine import Sampling
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.decoder import Dense, forward
from inferencecloud.engine.kernels import PackedLinear
from inferencecloud.engine.kernels.artifact import quantize_artifact, read_packed_model
from inferencecloud.engine.memory import KvMemory
from inferencecloud.engine.reading import read_decoder, read_packed_decoder
from tests.engine.asking import ask, collect
from tests.engine.briefing import chain
from tests.engine.test_decoder import STEPS, _batch

BITS = (8, 4)


@pytest.fixture(scope="module", params=BITS)
def packed(
    request: pytest.FixtureRequest, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    target = tmp_path_factory.mktemp("packed") / f"int{request.param}"
    quantize_artifact(tiny_artifact, target, bits=request.param, group=32)
    return target


@pytest.fixture(scope="module")
def engine(packed: Path) -> Iterator[BatchingEngine]:
    made = BatchingEngine(BatchingConfig(threads=1, device="cpu"))
    made.load(packed, key="tiny")
    yield made
    made.close()


def test_the_logits_are_those_of_the_rounded_weights(tiny_artifact: Path, packed: Path) -> None:
    """Against the same forward pass with the weights made float again: only activations are rounded more."""
    quantized = read_packed_decoder(read_packed_model(packed), context_tokens=256)
    model = AutoModelForCausalLM.from_pretrained(tiny_artifact, dtype=torch.float32)
    body = model.model
    with torch.no_grad():
        for layer, ours in zip(body.layers, quantized.layers, strict=True):
            assert isinstance(ours.qkv, PackedLinear)
            rows = ours.qkv.dequantize()
            widths = [64, 32, 32]
            for part, weight in zip("qkv", rows.split(widths), strict=True):
                getattr(layer.self_attn, f"{part}_proj").weight.copy_(weight)
            layer.self_attn.o_proj.weight.copy_(_dense(ours.out))
            gate, up = _dense(ours.up).chunk(2)
            layer.mlp.gate_proj.weight.copy_(gate)
            layer.mlp.up_proj.weight.copy_(up)
            layer.mlp.down_proj.weight.copy_(_dense(ours.down))
        model.lm_head.weight.copy_(_dense(quantized.head))
    plain = read_decoder(model, context_tokens=256)
    ids = torch.randint(3, 97, (2, 40), generator=torch.Generator().manual_seed(1))
    memories = [
        KvMemory(plain.norm.weight, layers=2, blocks=12, kv_heads=2, head_dim=16) for _ in range(2)
    ]
    with torch.inference_mode():
        for spans in STEPS:
            wanted = forward(plain, _batch(ids, spans), memories[0])
            got = forward(quantized, _batch(ids, spans), memories[1])
            cosine = torch.cosine_similarity(got, wanted, dim=1)
            assert cosine.min() > 0.995


def test_a_decoder_in_one_call_is_the_decoder_in_parts(packed: Path) -> None:
    whole = read_packed_decoder(read_packed_model(packed), context_tokens=256)
    parts = replace(whole, whole=None)
    assert whole.whole is not None
    ids = torch.randint(3, 97, (2, 40), generator=torch.Generator().manual_seed(1))
    memories = [
        KvMemory(whole.norm.weight, layers=2, blocks=12, kv_heads=2, head_dim=16) for _ in range(2)
    ]
    with torch.inference_mode():
        for spans in STEPS:
            wanted = forward(parts, _batch(ids, spans), memories[0])
            got = forward(whole, _batch(ids, spans), memories[1])
            assert torch.cosine_similarity(got, wanted, dim=1).min() > 0.999
            assert torch.equal(got.argmax(dim=1), wanted.argmax(dim=1))


def _dense(linear: object) -> Tensor:
    assert isinstance(linear, PackedLinear | Dense)
    return linear.dequantize() if isinstance(linear, PackedLinear) else linear.weight


def test_no_batch_changes_a_text(engine: BatchingEngine) -> None:
    alone = {
        n: collect(engine.submit([ask(str(n), f"lamp {n}")]))[str(n)].token_ids for n in range(6)
    }
    others = [
        ask(f"o{n}", f"Price {n}", sampling=Sampling(temperature=1, seed=n)) for n in range(9)
    ]
    asked = [ask(str(n), f"lamp {n}") for n in range(6)]
    among = collect(engine.submit([*asked, *others]))
    assert {n: among[str(n)].token_ids for n in range(6)} == alone


def test_a_chain_is_written_to_its_end(engine: BatchingEngine) -> None:
    written = collect(engine.submit(chain()))
    assert all(entry.finish and entry.finish.reason.succeeded for entry in written.values())
    assert engine.metrics().kv_blocks_used == 0
