"""What weights of fewer bits cost and give: quality of each format, time to open a model, set-up.

    python benchmarks/quantization.py [--part quality|opening|setup ...] [--quick]

Quality: perplexity of the starter's held-out answers, its ratio to fp32, the divergence KL(fp32 || format) in
nats a token, and how often the likeliest token is that of fp32; each with an interval of 95%. fp32 is the
committed bf16 weights computed in float32; bf16 computes in bf16, too; the others compute as the engine does,
with activations of 8 bits. Opening: a 0.5-B model that benchmarks/peers/prepare.py has made. Set-up: how long
compiling takes, and what set-up says and takes where there is no compiler.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.engine import keep  # noqa: E402
from benchmarks.formats import opening, quality, setup  # noqa: E402
from benchmarks.inside.record import machine  # noqa: E402
from benchmarks.peers.places import PEERS  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "quantization.json"
DATA = ROOT.parent / "shared" / "data" / "copy" / "products.jsonl"
STARTER = ROOT / "models" / "starter"
OPENED = PEERS / "models" / "qwen2.5-0.5b" / "ours-int8"

Part = tuple[dict[str, float], dict[str, Any]]


def _quality(chosen: argparse.Namespace) -> Part:
    if not chosen.data.is_file():
        sys.exit(
            f"Wanted the product records that the starter learned from, but there is no {chosen.data}."
        )
    plan = (
        quality.Plan(records=8, exercises=1)
        if chosen.quick
        else quality.Plan(records=None, exercises=4)
    )
    with tempfile.TemporaryDirectory() as scratch:
        table = quality.run(plan, model=STARTER, data=chosen.data, scratch=Path(scratch))
    for name, row in table.items():
        cells = "  ".join(
            f"{figure} {row[figure]:.4f} [{row[f'{figure}_low']:.4f}, {row[f'{figure}_high']:.4f}]"
            for figure in ("perplexity", "perplexity_ratio", "kl_nats", "same_first_choice")
        )
        print(f"{name:9} {row['megabytes']:5.1f} MB  {cells}")
    figures = {
        f"{name}_{figure}": row[figure]
        for name, row in table.items()
        for figure in ("perplexity", "kl_nats", "same_first_choice")
    }
    return figures, table


def _opening(chosen: argparse.Namespace) -> Part:
    if not OPENED.is_dir():
        sys.exit(
            f"Wanted a model to open, but there is no {OPENED}: benchmarks/peers/prepare.py makes it."
        )
    table = opening.run(OPENED, rounds=1 if chosen.quick else 5)
    return {f"open_0.5b_{name}": value for name, value in table.items()}, table


def _setup(_chosen: argparse.Namespace) -> Part:
    table, said = setup.run()
    return {f"setup_{name}": value for name, value in table.items()}, {**table, "said": said}


PARTS: dict[str, Callable[[argparse.Namespace], Part]] = {
    "quality": _quality,
    "opening": _opening,
    "setup": _setup,
}


def main() -> None:
    """Measure, keep, print; the last line is for machines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--part", action="append", choices=PARTS, help="all where none is named")
    parser.add_argument(
        "--quick", action="store_true", help="a little of each: does it run at all?"
    )
    parser.add_argument("--data", type=Path, default=DATA, help="products.jsonl")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are kept")
    chosen = parser.parse_args()
    about = machine()
    figures: dict[str, float] = {}
    tables: dict[str, Any] = {}
    for part in chosen.part or PARTS:
        found, tables[part] = PARTS[part](chosen)
        figures |= {name: round(value, 5) for name, value in found.items()}
    for name, value in figures.items():
        print(f"{name:40} {value}")
    if not chosen.quick or chosen.out != RESULTS:
        keep(chosen.out, figures, tables, **about)
    print(json.dumps({"benchmark": "quantization", "figures": figures}))


if __name__ == "__main__":
    main()
