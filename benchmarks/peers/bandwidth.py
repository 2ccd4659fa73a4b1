"""Reads memory as fast as all threads together can: the limit of what writes one token at a time."""

from __future__ import annotations

import json
import os
import sys
import time

import torch

from benchmarks.peers import work

READS = 8


def read_s(numbers: torch.Tensor) -> float:
    """Return the seconds of one pass over the numbers, the fastest of several."""
    times = []
    for _ in range(READS):
        begun = time.perf_counter()
        numbers.sum()
        times.append(time.perf_counter() - begun)
    return min(times)


def main() -> None:
    """Answer each line, which names a number of bytes, with bytes per second."""
    torch.set_num_threads(work.THREADS)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        size = int(json.loads(line)["bytes"])
        numbers = torch.ones(size // 4, dtype=torch.float32)
        answers.write(json.dumps({"bytes_per_s": size / read_s(numbers)}) + "\n")


if __name__ == "__main__":
    main()
