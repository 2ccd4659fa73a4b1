"""Load: clients that ask again as soon as they have their answer, all with prompts of their own.

Prompts have 100 to 800 tokens, answers 50 to 200; every engine gets the same. The first request of a client
comes at the beginning, so with many clients the first tokens tell how an engine shares itself out.
"""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.engines.chains import GROUPS, OURS
from benchmarks.engines.children import Child, Wanted, opened, turns
from benchmarks.engines.prompts import WARM_UP, Writer, words_of
from benchmarks.peers.places import SMOL
from benchmarks.peers.work import Job

PROMPT_TOKENS, NEW_TOKENS = (100, 800), (50, 200)
SERIAL = "transformers"  # its line only grows with the clients
SERIAL_CLIENTS = 16


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many clients with how many requests each, how often."""

    requests: dict[int, int]  # clients at once -> requests of each
    rounds: int
    precisions: tuple[str, ...]  # what ours has
    shrink: int = 1  # prompts and answers are shorter by so much


def clients_of(
    writer: Writer, plan: Plan, *, count: int, dice: random.Random
) -> list[list[list[Job]]]:
    """Return the clients with their requests."""

    def job(key: str) -> Job:
        prompt = dice.randint(*PROMPT_TOKENS) // plan.shrink
        new = dice.randint(*NEW_TOKENS) // plan.shrink
        return writer.job(key, {"user": [writer.text(prompt, dice)]}, new)

    return [[[job(f"c{n}.{m}")] for m in range(plan.requests[count])] for n in range(count)]


def share(values: list[float], percent: int) -> float:
    """Return what so many percent stay below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def measured(answer: dict[str, Any]) -> dict[str, float]:
    """Return what one run comes to."""
    tracks = list(answer["tracks"].values())
    wall = max(track["times"][-1] for track in tracks)
    first = [track["times"][0] - track["ready"] for track in tracks]
    each = [
        (track["times"][-1] - track["times"][0]) / (len(track["times"]) - 1) for track in tracks
    ]
    new = sum(len(track["times"]) for track in tracks)
    return {
        "new_tokens_per_s": new / wall,
        "all_tokens_per_s": (new + sum(track["prompt_tokens"] for track in tracks)) / wall,
        "ttft_p50_s": share(first, 50),
        "ttft_p95_s": share(first, 95),
        "per_token_p50_ms": share(each, 50) * 1000,
        "per_token_p95_ms": share(each, 95) * 1000,
        "wall_s": wall,
    }


def run(plan: Plan) -> tuple[dict[str, float], dict[str, Any]]:
    """Run the part; return the figures, and the tables behind them."""
    figures: dict[str, float] = {}
    tables: dict[str, Any] = {}
    for bits in (bits for bits in GROUPS if bits in plan.precisions):
        table = group(bits, plan)
        tables[f"{SMOL} {bits}"] = table
        figures |= figures_of(table, bits)
    return figures, tables


def group(bits: str, plan: Plan) -> dict[str, Any]:
    """Measure every engine in its way of so many bits; return medians by clients and label."""
    print(f"load: {SMOL}, {bits}", flush=True)
    writer = Writer(SMOL)
    wanted = [Wanted(peer=OURS, precision=bits)]
    wanted += [Wanted(peer=peer, precision=form) for peer, form in GROUPS[bits].items()]
    table: dict[str, Any] = {}
    with opened(SMOL, wanted, WARM_UP) as children:
        table["loading"] = {label: child.opened for label, child in children.items()}
        for count in plan.requests:
            labels = [
                each.label for each in wanted if each.peer != SERIAL or count <= SERIAL_CLIENTS
            ]
            some = {label: children[label] for label in labels}
            runs = rounds_of(some, writer, plan, count=count)
            table[str(count)] = {
                label: {key: statistics.median(one[key] for one in found) for key in found[0]}
                for label, found in runs.items()
            }
    return table


def rounds_of(
    children: dict[str, Child], writer: Writer, plan: Plan, *, count: int
) -> dict[str, list[dict[str, float]]]:
    """Run so many clients on each, in turns; return what every round came to."""
    runs: dict[str, list[dict[str, float]]] = {}
    for number in range(plan.rounds):
        for label in turns(list(children), number):
            dice = random.Random(f"{count} {number}")  # noqa: S311 - the same texts for all
            clients = clients_of(writer, plan, count=count, dice=dice)
            found = measured(children[label].ask(do="run", clients=words_of(clients)))
            runs.setdefault(label, []).append(found)
            rate = f"{found['new_tokens_per_s']:7.1f} tokens/s"
            first = f"first token {found['ttft_p50_s']:6.2f} s, p95 {found['ttft_p95_s']:6.2f} s"
            each = (
                f"then {found['per_token_p50_ms']:6.1f} ms, p95 {found['per_token_p95_ms']:6.1f} ms"
            )
            print(f"  {count:2} clients {label:28} {rate}, {first}, {each}", flush=True)
    return runs


def figures_of(table: dict[str, Any], bits: str) -> dict[str, float]:
    """Return ours, and the ratios to the best peer of each figure; above 1 ours is better."""
    ending = "" if bits == "fp32" else f"_{bits}"
    found: dict[str, float] = {}
    for count, by_label in table.items():
        if count == "loading":
            continue
        ours = by_label[f"{OURS} {bits}"]
        others = [one for label, one in by_label.items() if not label.startswith(OURS)]
        for key in ("new_tokens_per_s", "ttft_p95_s", "per_token_p95_ms"):
            found[f"load_{key}_at_{count}{ending}"] = ours[key]
        rate = max(one["new_tokens_per_s"] for one in others)
        found[f"load_rate_at_{count}_vs_best_peer{ending}"] = ours["new_tokens_per_s"] / rate
        wait = min(one["ttft_p95_s"] for one in others)
        found[f"load_ttft_p95_at_{count}_vs_best_peer{ending}"] = wait / ours["ttft_p95_s"]
    return found
