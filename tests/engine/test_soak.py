"""Half an hour of comings and goings: nothing is lost and nothing grows."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from inferencecloud.engine.batching import BatchingEngine
from tests.engine.asking import collect
from tests.engine.briefing import chain


@pytest.mark.prove
@pytest.mark.timeout(3000)
def test_half_an_hour_of_comings_and_goings_leaks_nothing(batching: BatchingEngine) -> None:
    """Random chains, a third of them cancelled: every block comes back, the memory does not grow."""
    minutes = float(os.environ.get("PROVE_MINUTES", "30"))
    chance, sizes = random.Random(8), []
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        stages = [
            batching.submit(chain(f"lamp {chance.random()}")) for _ in range(chance.randint(1, 8))
        ]
        for stage in stages:
            if chance.random() < 0.33:
                timer = threading.Timer(chance.random() * 0.2, stage.cancel)
                timer.start()
            collect(stage)
        assert batching.metrics().kv_blocks_used == 0
        sizes.append(_resident_bytes())
    half = sizes[len(sizes) // 2 :]
    print(f"{len(sizes)} rounds, {sizes[len(sizes) // 10]} -> {sizes[-1]} bytes resident")
    assert half[-1] - half[0] < 4_000_000


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
