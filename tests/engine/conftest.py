"""A minute model of random weights, in an artifact of its own, and an engine that has it loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from inferencecloud.artifacts.manifest import write_manifest
from inferencecloud.engine import Engine
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.lane import Lane
from inferencecloud.engine.local import EngineConfig, TransformersEngine
from inferencecloud.training.tokens import train_tokenizer

KEY = "tiny"
CORPUS = (
    "Meet the lamp that reads with you.",
    "A warm light for long evenings, at home or on the road.",
    "Grüße aus Köln: décor, naïve façade, 東京 and 🙂🙃 smiles.",
    "Price: $49.50; weight 300 g; made in Portugal.",
)


STEP_S = 0.005  # what a step takes longer where nothing is hurried


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step of the batching engine take so long that a test can do something meanwhile."""
    step = Lane.step

    def slow_step(lane: Lane, *args: Any) -> None:
        time.sleep(STEP_S)
        step(lane, *args)

    monkeypatch.setattr(Lane, "step", slow_step)


@pytest.fixture(scope="session")
def tiny_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = train_tokenizer(CORPUS * 4, vocabulary=400, context_tokens=256)
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.3,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(str(folder))
    write_manifest(folder, name="tiny", licence="none")
    return folder


@pytest.fixture(scope="session")
def reference(tiny_artifact: Path) -> Iterator[TransformersEngine]:
    engine = TransformersEngine(EngineConfig(threads=1, device="cpu", prefill_chunk_tokens=16))
    engine.load(tiny_artifact, key=KEY)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def batching(tiny_artifact: Path) -> Iterator[BatchingEngine]:
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu"))
    engine.load(tiny_artifact, key=KEY)
    yield engine
    engine.close()


@pytest.fixture(scope="session", params=["reference", "batching"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine in turn: what holds of one holds of the other."""
    made: Engine = request.getfixturevalue(request.param)
    return made
