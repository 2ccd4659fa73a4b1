"""What adapters cost: tokens a second of eight texts at once, with no adapter, one for all, and one for each.

    python benchmarks/adapters.py [--quick]

On the model in models/starter with random adapters of rank 16 on all products, greedy, in rounds that
alternate; figures are medians, from the first token to the last. `int8_8_vs_0` divides the pace with eight
adapters by that with none.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.inside.record import commit  # noqa: E402
from inferencecloud.engine import FinishReason, Request, Stage  # noqa: E402
from inferencecloud.engine.batching import BatchingEngine  # noqa: E402
from inferencecloud.engine.config import BatchingConfig  # noqa: E402
from inferencecloud.engine.kernels.artifact import quantize_artifact  # noqa: E402
from inferencecloud.engine.scheduler import Limits  # noqa: E402
from tests.engine.asking import ask  # noqa: E402
from tests.engine.exactness import greedy  # noqa: E402
from tests.engine.lora import write_adapter  # noqa: E402
from tests.servers import temporary_folder  # noqa: E402

STARTER = ROOT / "models" / "starter"
RESULTS = ROOT / "benchmarks" / "results" / "adapters.json"
TEXTS, RANK, NEW_TOKENS, TRIES = 8, 16, 32, 20
KINDS = (0, 1, 8)  # adapters in the batch
PRECISIONS = {"fp32": None, "int8": 8, "int4": 4}


class EndedEarly(Exception):
    """A text was always shorter than it was to be: no batch was full to its end."""


@contextmanager
def engine_of(bits: int | None, folder: Path) -> Iterator[BatchingEngine]:
    """Yield an engine with the starter in a precision, and eight adapters of it."""
    model = STARTER
    if bits is not None:
        model = folder / f"int{bits}"
        quantize_artifact(STARTER, model, bits=bits)
    engine = BatchingEngine(BatchingConfig(device="cpu", limits=Limits(draft_tokens=0)))
    try:
        engine.load(model, key="tiny")
        for number in range(max(KINDS)):
            own = folder / f"adapter{number}"
            if not own.is_dir():
                write_adapter(own, STARTER, seed=number, rank=RANK, size=0.001)
            engine.load_adapter(own, model="tiny", key=str(number))
        yield engine
    finally:
        engine.close()


def requests(adapters: int, new_tokens: int) -> list[Request]:
    """Return eight requests that share so many adapters; nothing of them was read before."""
    nonce = time.perf_counter_ns()
    return [
        replace(
            ask(
                str(n),
                f"Write a long description of:\nProduct: Lamp {nonce} {n}\nDetails: brass, oak, wool",
                sampling=greedy(new_tokens),
            ),
            adapter=str(n % adapters) if adapters else None,
        )
        for n in range(TEXTS)
    ]


def pace(engine: BatchingEngine, adapters: int, new_tokens: int) -> float:
    """Return the tokens a second of the first batch in which no text ends early."""
    for _ in range(TRIES):
        found = pace_of(engine.submit(requests(adapters, new_tokens)))
        if found is not None:
            return found
    raise EndedEarly(
        f"wanted {TEXTS} texts of {new_tokens} tokens, got a shorter one {TRIES} times"
    )


def pace_of(stage: Stage) -> float | None:
    """Return the tokens a second from the first token to the last; None where a text ended early."""
    first = last = 0.0
    tokens, is_full = 0, True
    for delta in stage:
        is_full = is_full and (delta.finish is None or delta.finish.reason is FinishReason.LENGTH)
        if delta.token_ids:
            last = time.perf_counter()
            first = first or last
            tokens += len(delta.token_ids)
    return (tokens - TEXTS) / (last - first) if is_full else None


def measure(*, rounds: int, new_tokens: int) -> dict[str, list[float]]:
    """Return the paces of all rounds."""
    found: dict[str, list[float]] = {}
    with temporary_folder() as folder:
        for precision, bits in PRECISIONS.items():
            with engine_of(bits, folder) as engine:
                for _ in range(rounds):
                    for adapters in KINDS:
                        name = f"{precision}_{adapters}"
                        found.setdefault(name, []).append(pace(engine, adapters, new_tokens))
    return found


def main() -> None:
    """Measure and print; the last line is for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    is_quick = parser.parse_args().quick
    rounds = measure(rounds=2 if is_quick else 11, new_tokens=16 if is_quick else NEW_TOKENS)
    figures = {f"{name}_tokens_per_s": statistics.median(paces) for name, paces in rounds.items()}
    for precision in PRECISIONS:
        for adapters in KINDS[1:]:
            ratios = [
                some / none
                for some, none in zip(
                    rounds[f"{precision}_{adapters}"], rounds[f"{precision}_0"], strict=True
                )
            ]
            figures[f"{precision}_{adapters}_vs_0"] = statistics.median(ratios)
    for name, value in figures.items():
        print(f"{name:30} {value:.3f}")
    if not is_quick:
        keep(figures, rounds)
    print(json.dumps({"benchmark": "adapters", "figures": figures}))


def keep(figures: dict[str, float], rounds: dict[str, list[float]]) -> None:
    """Write the figures, and the rounds behind them, with the commit that they belong to."""
    about = {"commit": commit(), "cpus": os.cpu_count(), "figures": figures, "rounds": rounds}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(about) + "\n")


if __name__ == "__main__":
    main()
