"""Reads memory with all cores at once: the limit of what writes one token at a time.

Each line names a number of bytes; the answer is at how many bytes a second the C library looks through as
many for one that is not there, in the fastest of several passes.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.peers import work

PASSES = 10


def bytes_per_s(size: int, pool: ThreadPoolExecutor) -> float:
    """Return how fast so many bytes are read."""
    look = ctypes.CDLL(None).memchr
    look.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    memory = np.ones(size, dtype=np.uint8)
    part = size // work.THREADS
    begins = [memory.ctypes.data + number * part for number in range(work.THREADS)]
    times = []
    for _ in range(PASSES):
        begun = time.perf_counter()
        list(pool.map(lambda begin: look(begin, 0, part), begins))
        times.append(time.perf_counter() - begun)
    return part * work.THREADS / min(times)


def main() -> None:
    """Answer every line."""
    work.end_with_parent()
    with ThreadPoolExecutor(work.THREADS) as pool:
        for line in sys.stdin:
            answer = {"bytes_per_s": bytes_per_s(int(json.loads(line)["bytes"]), pool)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
