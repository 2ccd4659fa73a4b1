"""Our engine against others: chains of steps, load by many clients, and arithmetic.

    python benchmarks/peers/prepare.py     once: makes the peers and their models
    python benchmarks/engine.py [--part chains|load|arithmetic ...] [--precision P ...] [--people N ...]

Every engine runs in a process and an environment of its own with all cores, one at a time while the others
stand still, in rounds that alternate; figures are medians. A peer that is missing or ends is a failure. The
shapes of SmolLM2-135M and Qwen2.5-0.5B have random weights: this measures speed, not quality. Nothing ever
ends by itself: all write exactly as many tokens as they are asked for, greedily.

`chain_at_N_vs_best_peer` divides the best peer's time for a chain (brief, message, three channels, summary)
by ours when N people press at once; `next_step_first_token_in_decode_steps` is the time from the last token
that a step reads to its own first, over our time for a token; `prefix_hit_rate` which part of the prompts'
tokens our engine found computed. `load_*` and the figures of the arithmetic say in their names what they
divide. Every ratio is above 1 when ours is better. Without a precision in its name a figure is of fp32.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.engines import arithmetic, chains, load  # noqa: E402
from benchmarks.engines.children import PeerFailed  # noqa: E402
from benchmarks.inside.record import commit, machine  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "engine.json"
PRECISIONS = ("fp32", "int8", "w4")  # what ours has
NEW_TOKENS = 48  # of a step

FULL: dict[str, Any] = {
    "chains": chains.Plan(rounds={1: 5, 4: 3, 16: 1}, new_tokens=NEW_TOKENS, precisions=PRECISIONS),
    "load": load.Plan(requests={1: 6, 4: 3, 16: 2, 64: 1}, rounds=1, precisions=PRECISIONS),
    "arithmetic": arithmetic.Plan(
        rounds=3, new_tokens={1: 128, 8: 128, 32: 64}, precisions=PRECISIONS
    ),
}
QUICK: dict[str, Any] = {
    "chains": chains.Plan(rounds={1: 1, 4: 1}, new_tokens=8, precisions=PRECISIONS[:1]),
    "load": load.Plan(requests={1: 2, 4: 1}, rounds=1, precisions=PRECISIONS[:1], shrink=5),
    "arithmetic": arithmetic.Plan(rounds=1, new_tokens={1: 16, 8: 16}, precisions=PRECISIONS),
}
PARTS: dict[str, Callable[[Any], tuple[dict[str, float], dict[str, Any]]]] = {
    "chains": chains.run,
    "load": load.run,
    "arithmetic": arithmetic.run,
}


def keep(target: Path, figures: dict[str, float], tables: dict[str, Any], **about: Any) -> None:
    """Write the figures with the commit that they belong to; parts that were not run stay as they are."""
    kept = json.loads(target.read_text()) if target.is_file() else {}
    parts = {name: {"commit": commit(), **about, "tables": table} for name, table in tables.items()}
    content = {
        "figures": {**kept.get("figures", {}), **figures},
        "parts": {**kept.get("parts", {}), **parts},
    }
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def some_of(counts: dict[int, int], chosen: list[int] | None) -> dict[int, int]:
    """Return the chosen ones of what a plan has, or all."""
    missing = set(chosen or ()) - set(counts)
    if missing:
        sys.exit(f"Wanted some of {sorted(counts)} at once, got {sorted(missing)}.")
    return {count: times for count, times in counts.items() if not chosen or count in chosen}


def planned(part: str, chosen: argparse.Namespace) -> Any:
    """Return what is to be measured, as far as it was chosen."""
    plan = (QUICK if chosen.quick else FULL)[part]
    if chosen.precision:
        plan = replace(plan, precisions=tuple(chosen.precision))
    if part == "chains":
        rounds = some_of(plan.rounds, chosen.people)
        plan = replace(plan, rounds={count: chosen.rounds or rounds[count] for count in rounds})
    if part == "load":
        plan = replace(plan, requests=some_of(plan.requests, chosen.clients))
    return plan


def main() -> None:
    """Measure, keep, print; the last line is for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--part", action="append", choices=PARTS, help="all where none is named")
    parser.add_argument(
        "--precision", action="append", choices=("fp32", "int8", "w4"), help="what ours has"
    )
    parser.add_argument(
        "--people", action="append", type=int, help="at once, in chains: 1, 4, 16; all by default"
    )
    parser.add_argument(
        "--clients",
        action="append",
        type=int,
        help="at once, under load: 1, 4, 16, 64; all by default",
    )
    parser.add_argument("--rounds", type=int, help="of chains, however many people")
    parser.add_argument("--quick", action="store_true", help="short rounds: does it run at all?")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where results are kept")
    chosen = parser.parse_args()
    about = machine()
    figures: dict[str, float] = {}
    tables: dict[str, Any] = {}
    for part in chosen.part or PARTS:
        begun = time.monotonic()
        try:
            plan = planned(part, chosen)
            found, tables[part] = PARTS[part](plan)
        except PeerFailed as problem:
            sys.exit(f"{part}: {problem}")
        figures |= {name: round(value, 3) for name, value in found.items()}
        print(f"{part}: {time.monotonic() - begun:.0f} s", flush=True)
    for name, value in figures.items():
        print(f"{name:55} {value}")
    if not chosen.quick or chosen.out != RESULTS:
        keep(chosen.out, figures, tables, **about)
    print(json.dumps({"benchmark": "engine", "figures": figures}))


if __name__ == "__main__":
    main()
