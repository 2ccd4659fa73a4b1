"""How long a quantized artifact takes to open, in a fresh process of its own.

Warm: the file is in the page cache. Cold: it was taken out before, as far as the system lets a user do that;
the disk beneath, and what that one keeps, decides the rest. Importing torch does not count; what transformers
imports when it makes a tokenizer does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *, rounds: int) -> dict[str, float]:
    """Return medians in milliseconds of each part, warm and cold."""
    figures: dict[str, float] = {}
    for kind in ("warm", "cold"):
        found = []
        for number in range(rounds + (kind == "warm")):
            if kind == "cold":
                _forget(folder)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.formats.opening", str(folder)],
                cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE,
            )  # fmt: skip
            if kind == "cold" or number:  # the first warms
                found.append(json.loads(done.stdout.splitlines()[-1]))
        figures |= {f"{kind}_{part}": median(each[part] for each in found) for part in found[0]}
    return figures


def _forget(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _open(folder: Path) -> dict[str, float]:
    # Imported here, for only the child needs them, and does not count them.
    import torch  # noqa: PLC0415

    from inferencecloud.artifacts.manifest import verify_artifact  # noqa: PLC0415
    from inferencecloud.engine.kernels import available, read_packed_model  # noqa: PLC0415
    from inferencecloud.engine.loading import open_spelling  # noqa: PLC0415
    from inferencecloud.engine.reading import read_packed_decoder  # noqa: PLC0415

    available()
    marks = [time.perf_counter()]
    decoder = read_packed_decoder(read_packed_model(folder), context_tokens=2048)
    marks.append(time.perf_counter())
    with torch.inference_mode():  # every weight is read once, as for the first token
        for layer in decoder.layers:
            hidden = layer.up(
                layer.ffn_norm(layer.out(torch.zeros(1, decoder.heads * decoder.head_dim)))
            )
            layer.qkv(layer.attention_norm(layer.down(hidden)))
        decoder.head(decoder.norm(decoder.embedding(torch.zeros(1, dtype=torch.int64))))
    marks.append(time.perf_counter())
    open_spelling(folder)
    marks.append(time.perf_counter())
    verify_artifact(folder)
    marks.append(time.perf_counter())
    names = ("map_ms", "read_weights_ms", "tokenizer_ms", "verify_ms")
    spent = zip(names, marks, marks[1:], strict=False)
    return {name: 1000 * (end - begin) for name, begin, end in spent}


if __name__ == "__main__":
    print(json.dumps(_open(Path(sys.argv[1]))))
