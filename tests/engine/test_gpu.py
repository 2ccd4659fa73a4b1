"""The same engine on a CUDA device: what it writes is what transformers write on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.scheduler import Limits
from tests.engine.asking import collect
from tests.engine.briefing import STARTER, briefs, chain, expect_all
from tests.engine.conftest import KEY
from tests.engine.exactness import Reference

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.fixture(scope="module")
def on_gpu(tiny_artifact: Path) -> Iterator[BatchingEngine]:
    engine = BatchingEngine(BatchingConfig(device="cuda", dtype=torch.float32))
    engine.load(STARTER, key="starter")
    engine.load(tiny_artifact, key=KEY)
    yield engine
    engine.close()


def test_briefs_in_one_batch_are_written_as_by_transformers(on_gpu: BatchingEngine) -> None:
    reference, requests = Reference(STARTER), briefs(32, 32)
    expect_all(reference, requests, collect(on_gpu.submit(requests)))
    for request in requests[:4]:
        expect_all(reference, [request], collect(on_gpu.submit([request])))
    assert reference.ties <= 2


def test_a_chain_is_read_while_it_is_written(on_gpu: BatchingEngine, tiny_artifact: Path) -> None:
    requests = chain()
    expect_all(Reference(tiny_artifact), requests, collect(on_gpu.submit(requests)))


def test_little_memory_and_small_steps_change_no_text(tiny_artifact: Path) -> None:
    config = BatchingConfig(
        device="cuda",
        dtype=torch.float32,
        kv_bytes=1 << 18,
        limits=Limits(sequences=3, prefill_tokens=17, mixed_tokens=5),
    )
    engine = BatchingEngine(config)
    engine.load(tiny_artifact, key=KEY)
    try:
        requests = chain()
        expect_all(Reference(tiny_artifact), requests, collect(engine.submit(requests)))
    finally:
        engine.close()


def test_bfloat16_writes_the_same_alone_and_among_others(on_gpu: BatchingEngine) -> None:
    """Near ties apart: products of other sizes may sum in another order, so most texts have to agree."""
    engine = BatchingEngine(BatchingConfig(device="cuda", dtype=torch.bfloat16))
    engine.load(STARTER, key="starter")
    try:
        requests = briefs(16, 24)
        together = collect(engine.submit(requests))
        alone = {r.id: collect(engine.submit([r]))[r.id] for r in requests}
    finally:
        engine.close()
    same = sum(together[one].token_ids == alone[one].token_ids for one in together)
    assert same >= len(requests) // 2
