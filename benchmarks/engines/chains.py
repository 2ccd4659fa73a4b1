"""Chains: brief -> message -> three channels -> summary, by several people at once.

Everybody shares the brand's words as system message, new in every round, so nothing is found that an earlier
round has left. The peers get each step as soon as those that it reads are done; those that take several at a
time get the three channels together.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks.engines.children import Child, Wanted, opened, turns
from benchmarks.engines.prompts import WARM_UP, Writer, words_of
from benchmarks.peers.places import SMOL, STARTER
from benchmarks.peers.work import Job

BRAND_TOKENS = 300
ASK_TOKENS = 20
STEPS = ("brief", "message", "channel0", "channel1", "channel2", "summary")
OURS = "ours"

# Of each number of bits, every engine in its own best way.
GROUPS = {
    "fp32": {
        "transformers": "fp32",
        "transformers_batching": "fp32",
        "llama_cpp": "fp32",
        "openvino_genai": "fp32",
    },
    "int8": {"llama_cpp": "int8", "openvino_genai": "int8"},
    "w4": {"llama_cpp": "w4", "openvino_genai": "w4"},
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many people, how often, how much they write."""

    rounds: dict[int, int]  # people at once -> rounds
    new_tokens: int
    precisions: tuple[str, ...]  # what ours has
    models: tuple[str, ...] = (SMOL, STARTER)


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Writes the same people again for every engine."""

    writer: Writer
    new_tokens: int
    dice: random.Random

    def people(self, count: int) -> list[list[list[Job]]]:
        """Return so many clients with a chain each, and a brand that they share."""
        brand = self.writer.text(BRAND_TOKENS, self.dice)
        return [[self._chain(f"p{n}", brand)] for n in range(count)]

    def _chain(self, person: str, brand: str) -> list[Job]:
        channels = ("channel0", "channel1", "channel2")
        reads = {"brief": (), "message": ("brief",), "summary": channels}
        reads |= dict.fromkeys(channels, ("message",))
        return [self._step(f"{person}.", name, (brand, *reads[name])) for name in STEPS]

    def _step(self, person: str, name: str, reads: tuple[str, ...]) -> Job:
        brand, *sources = reads
        user: list[str | set[str]] = [self.writer.text(ASK_TOKENS, self.dice)]
        for source in sources:
            user += [{person + source}, " "]
        texts: dict[str, list[str | set[str]]] = {"system": [brand], "user": user}
        return self.writer.job(person + name, texts, self.new_tokens)


def measured(answer: dict[str, Any], count: int) -> dict[str, float]:
    """Return what one round of one engine comes to, in seconds; medians over people."""
    tracks = answer["tracks"]
    walls, first, gaps = [], [], []
    for person in range(count):
        own = [tracks[f"p{person}.{name}"] for name in STEPS]
        walls.append(max(one["times"][-1] for one in own) - own[0]["ready"])
    for track in tracks.values():
        gaps += [later - sooner for sooner, later in pairwise(track["times"])]
    found = {"chain_s": statistics.median(walls), "last_chain_s": max(walls)}
    for name in STEPS:
        waits = [
            tracks[f"p{n}.{name}"]["times"][0] - tracks[f"p{n}.{name}"]["ready"]
            for n in range(count)
        ]
        found[f"first_token_of_{name}_s"] = statistics.median(waits)
        first += waits if name != STEPS[0] else []
    found["first_token_of_readers_s"] = statistics.median(first)
    found["decode_step_s"] = statistics.median(gaps)
    found["prompt_tokens"] = sum(track["prompt_tokens"] for track in tracks.values())
    return found | answer["figures"]


def rounds_of(
    children: dict[str, Child], writer: Writer, plan: Plan
) -> Iterator[tuple[int, str, dict[str, float]]]:
    """Yield (people, label, what it came to) for every run, the engines taking turns."""
    for count, rounds in plan.rounds.items():
        for number in range(rounds):
            for label in turns(list(children), number):
                dice = random.Random(f"{count} {number}")  # noqa: S311 - the same texts for all
                cast = Cast(writer=writer, new_tokens=plan.new_tokens, dice=dice)
                answer = children[label].ask(do="run", clients=words_of(cast.people(count)))
                yield count, label, measured(answer, count)


def run(plan: Plan) -> tuple[dict[str, float], dict[str, Any]]:
    """Run the part; return the figures, and the tables behind them."""
    figures: dict[str, float] = {}
    tables: dict[str, Any] = {}
    for bits in (bits for bits in GROUPS if bits in plan.precisions):
        for model in plan.models:
            table = group(bits, model, plan)
            tables[f"{model} {bits}"] = table
            figures |= figures_of(table, bits, "" if model == SMOL else f"_{model}")
    return figures, tables


def group(bits: str, model: str, plan: Plan) -> dict[str, Any]:
    """Measure every engine in its way of so many bits; return medians over rounds by people and label."""
    print(f"chains: {model}, {bits}", flush=True)
    writer = Writer(model)
    wanted = [Wanted(peer=OURS, precision=bits)]
    wanted += [Wanted(peer=peer, precision=form) for peer, form in GROUPS[bits].items()]
    runs: dict[tuple[int, str], list[dict[str, float]]] = {}
    with opened(model, wanted, WARM_UP) as children:
        for count, label, found in rounds_of(children, writer, plan):
            runs.setdefault((count, label), []).append(found)
            line = f"{found['chain_s']:7.2f} s, a token {found['decode_step_s'] * 1000:6.1f} ms"
            readers = f"readers' first {found['first_token_of_readers_s'] * 1000:7.1f} ms"
            print(f"  {count:2} people {label:28} {line}, {readers}", flush=True)
        loading = {label: child.opened for label, child in children.items()}
    table: dict[str, Any] = {"loading": loading}
    for (count, label), all_found in runs.items():
        medians = {key: statistics.median(one[key] for one in all_found) for key in all_found[0]}
        rounds = [one["chain_s"] for one in all_found]
        table.setdefault(str(count), {})[label] = {**medians, "rounds_chain_s": rounds}
    return table


def figures_of(table: dict[str, Any], bits: str, of_model: str) -> dict[str, float]:
    """Return the ratios to the best peer, and what only ours tells."""
    ending = of_model if bits == "fp32" else f"{of_model}_{bits}"
    found: dict[str, float] = {}
    for count, by_label in table.items():
        if count == "loading":
            continue
        ours = by_label[f"{OURS} {bits}"]
        others = {label: one for label, one in by_label.items() if not label.startswith(OURS)}
        best = min(others, key=lambda label: others[label]["chain_s"])
        found[f"chain_at_{count}_vs_best_peer{ending}"] = others[best]["chain_s"] / ours["chain_s"]
        found[f"chain_at_{count}_s{ending}"] = ours["chain_s"]
        steps = ours["first_token_of_readers_s"] / ours["decode_step_s"]
        found[f"next_step_first_token_in_decode_steps_at_{count}{ending}"] = steps
        found[f"prefix_hit_rate_at_{count}{ending}"] = ours["prefix_hit_rate"]
        print(f"  {count} people: the best peer is {best}", flush=True)
    if "1" in table:
        alone = "next_step_first_token_in_decode_steps"
        found[f"{alone}{ending}"] = found[f"{alone}_at_1{ending}"]
    if "4" in table:
        found[f"prefix_hit_rate{ending}"] = found[f"prefix_hit_rate_at_4{ending}"]
    return found
