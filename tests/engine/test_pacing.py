"""A step has as many threads as it is worth; warm-up measures it, within any context."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inferencecloud.artifacts.manifest import write_manifest
from inferencecloud.engine import Message, Request, Role, Sampling, Text, pacing
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.pacing import Threads, measured
from tests.engine.asking import collect
from tests.engine.conftest import KEY


class Computed:
    """A sequence that is computed."""

    def __init__(self, tokens: int) -> None:
        self.token_ids = [1] * tokens
        self.computed = tokens


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("token_s", "alone_below"),
    [(0.00001, 17), (0.0001, 3), (0.006, 0), (0.02, 0)],
    ids=["tiny", "small", "middling", "large"],
)
def test_what_sharing_saves_decides(
    monkeypatch: pytest.MonkeyPatch, batching: BatchingEngine, token_s: float, alone_below: int
) -> None:
    """A machine whose threads share the time of every token, but not that of the step itself."""
    monkeypatch.setattr(
        pacing,
        "_step_s",
        lambda _runner, _sequence, tokens: 0.0002 + tokens * token_s / torch.get_num_threads(),
    )
    sequence = Computed(40)
    threads = measured(batching._lanes[KEY].runner, sequence, most=2)  # type: ignore[arg-type]
    assert threads == Threads(most=2, alone_below=alone_below)
    assert sequence.computed == 40
    assert torch.get_num_threads() == 2


def test_with_one_thread_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, batching: BatchingEngine
) -> None:
    monkeypatch.setattr(pacing, "_step_s", lambda *_args: pytest.fail("measured"))
    runner = batching._lanes[KEY].runner
    assert measured(runner, Computed(40), most=1) == Threads(most=1)  # type: ignore[arg-type]


def test_a_step_has_its_threads() -> None:
    threads = Threads(most=2, alone_below=5)
    threads.use(4)
    assert torch.get_num_threads() == 1
    threads.use(5)
    assert torch.get_num_threads() == 2


def test_an_engine_writes_the_same_with_both(tiny_artifact: Path) -> None:
    """Steps change between one thread and two, prompts and answers together."""
    requests = [
        Request(
            id=str(number),
            model=KEY,
            messages=(Message(Role.USER, (Text("A warm light " * number),)),),
            sampling=Sampling(max_new_tokens=20 * number),
        )
        for number in range(1, 4)
    ]
    texts = []
    for alone_below in (0, 3, 1000):
        engine = BatchingEngine(BatchingConfig(threads=2, device="cpu"))
        try:
            engine.load(tiny_artifact, key=KEY)
            engine._lanes[KEY].threads = Threads(most=2, alone_below=alone_below)
            found = collect(engine.submit(requests))
            texts.append({name: entry.token_ids for name, entry in found.items()})
        finally:
            engine.close()
    assert texts[0] == texts[1] == texts[2]


def test_a_model_that_is_loaded_after_small_steps_has_all_threads(tiny_artifact: Path) -> None:
    """The last step of the first had one thread; the second is measured, and computed, with both."""
    engine = BatchingEngine(BatchingConfig(threads=2, device="cpu"))
    try:
        engine.load(tiny_artifact, key=KEY)
        engine._lanes[KEY].threads = Threads(most=2, alone_below=1000)
        message = Message(Role.USER, (Text("A warm light"),))
        collect(engine.submit([Request(id="one", model=KEY, messages=(message,))]))
        engine.load(tiny_artifact, key="second")
        assert engine._lanes["second"].threads.most == 2
        assert engine._call(torch.get_num_threads) == 2
    finally:
        engine.close()


@pytest.mark.parametrize("context_tokens", [32, 63, 64, 95, 127, 128, 152])
def test_warm_up_stays_within_a_small_context(
    tiny_artifact: Path, tmp_path: Path, context_tokens: int
) -> None:
    folder = tmp_path / "short"
    shutil.copytree(tiny_artifact, folder)
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = context_tokens
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "manifest.json").unlink()
    write_manifest(folder, name="short", licence="none")
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu"))
    try:
        assert engine.load(folder, key="short").context_tokens == context_tokens
        assert engine.metrics().kv_blocks_used == 0
    finally:
        engine.close()
