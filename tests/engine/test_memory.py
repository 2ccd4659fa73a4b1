"""Keys and values of 8 bits in the engine: more texts in the same memory, and no batch changes a text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inferencecloud.engine import Sampling
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.decoder import forward
from inferencecloud.engine.kernels import BYTES
from inferencecloud.engine.kernels.artifact import quantize_artifact
from inferencecloud.engine.loading import open_model
from inferencecloud.engine.memory import KvMemory
from inferencecloud.engine.reading import read_decoder
from inferencecloud.engine.scheduler import Limits
from tests.engine.asking import ask, collect
from tests.engine.briefing import chain
from tests.engine.conftest import KEY
from tests.engine.test_decoder import STEPS, _batch

# The tiny model: 2 (k, v) x 2 layers x 2 heads x 16 tokens x 16 wide, of 4 bytes or of 1 and a scale.
PLAIN_BLOCK, SMALL_BLOCK = 2 * 2 * 2 * 16 * 16 * 4, 2 * 2 * 2 * 16 * (16 + 4)


def _engine(folder: Path, kv_bits: int | None, **settings: object) -> BatchingEngine:
    made = BatchingEngine(
        BatchingConfig(threads=1, device="cpu", kv_bits=kv_bits, **settings)  # type: ignore[arg-type]
    )
    made.load(folder, key=KEY)
    return made


@pytest.fixture(scope="module", params=["float", "packed"])
def engine(
    request: pytest.FixtureRequest, tiny_artifact: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BatchingEngine]:
    folder = tiny_artifact
    if request.param == "packed":
        folder = tmp_path_factory.mktemp("packed") / "int8"
        quantize_artifact(tiny_artifact, folder, bits=8, group=32)
    made = _engine(folder, 8)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("kv_bits", "size"), [(None, PLAIN_BLOCK), (32, PLAIN_BLOCK), (8, SMALL_BLOCK)]
)
def test_the_blocks_are_as_many_as_fit(tiny_artifact: Path, kv_bits: int | None, size: int) -> None:
    engine = _engine(tiny_artifact, kv_bits, kv_bytes=100 * PLAIN_BLOCK + 1)
    try:
        assert engine.metrics().kv_blocks_total == 100 * PLAIN_BLOCK // size
    finally:
        engine.close()


def test_a_memory_of_bytes_has_the_size_that_is_counted() -> None:
    like = torch.empty(0)
    for dtype, size in ((None, PLAIN_BLOCK), (BYTES, SMALL_BLOCK)):
        memory = KvMemory(like, layers=2, blocks=3, kv_heads=2, head_dim=16, dtype=dtype)
        assert sum(each.nbytes for kv in memory.layers for each in kv) == 3 * size


def test_the_logits_are_near_to_those_of_the_models_own_type(tiny_artifact: Path) -> None:
    decoder = read_decoder(open_model(tiny_artifact, device="cpu"), context_tokens=256)
    like = decoder.norm.weight
    memories = [
        KvMemory(like, layers=2, blocks=12, kv_heads=2, head_dim=16, dtype=dtype)
        for dtype in (None, BYTES)
    ]
    ids = torch.randint(3, 97, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        for spans in STEPS:
            wanted, got = (forward(decoder, _batch(ids, spans), each) for each in memories)
            assert torch.cosine_similarity(got, wanted, dim=1).min() > 0.995


def test_no_batch_changes_a_text(engine: BatchingEngine) -> None:
    asked = [
        ask(str(n), f"lamp {n}", sampling=Sampling(temperature=n % 2, seed=n, max_new_tokens=24))
        for n in range(6)
    ]
    alone = {one.id: collect(engine.submit([one]))[one.id].token_ids for one in asked}
    others = [ask(f"o{n}", f"Price {n} " * n) for n in range(9)]
    among = collect(engine.submit([*asked, *others]))
    assert {one.id: among[one.id].token_ids for one in asked} == alone


def test_no_cut_of_the_prompts_changes_a_text(tiny_artifact: Path) -> None:
    texts = []
    for tokens in (5, 64):
        limits = Limits(prefill_tokens=tokens, mixed_tokens=tokens)
        engine = _engine(tiny_artifact, 8, limits=limits)
        try:
            written = collect(engine.submit(chain()))
        finally:
            engine.close()
        texts.append({name: entry.token_ids for name, entry in written.items()})
    assert texts[0] == texts[1]


def test_a_chain_is_written_to_its_end(engine: BatchingEngine) -> None:
    written = collect(engine.submit(chain()))
    assert all(entry.finish and entry.finish.reason.succeeded for entry in written.values())
    assert engine.metrics().kv_blocks_used == 0
