"""Arithmetic: how fast a prompt of 256 tokens is read, and tokens are written at batch 1, 8 and 32.

On the shape of Qwen2.5-0.5B. All engines take turns in every round, whatever their number of bits, and memory
is read at the full bandwidth once a round: `b1_share_of_bandwidth` divides the bytes of weights that ours
reads in a second of writing one text by that.
"""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.engines.chains import OURS
from benchmarks.engines.children import Child, Wanted, opened, start, turns
from benchmarks.engines.prompts import WARM_UP, Writer, words_of
from benchmarks.peers.places import OUR_FORMS, QWEN
from benchmarks.peers.places import model as place
from benchmarks.peers.work import Job

PREFILL_TOKENS, SHORT_TOKENS = 256, 16
PEERS = {
    "fp32": (("transformers_padded", "fp32"),),
    "int8": (
        ("llama_cpp", "int8"),
        ("ctranslate2", "int8"),
        ("openvino", "int8"),
        ("openvino_genai", "int8"),
    ),
    "w4": (("llama_cpp", "w4"), ("openvino", "w4"), ("openvino_genai", "w4")),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How often, and how long."""

    rounds: int
    new_tokens: dict[int, int]  # batch -> tokens of each text
    precisions: tuple[str, ...]  # what ours has


def weight_bytes(precision: str) -> int:
    """Return the bytes of weights that ours reads for a token; the head is the embedding."""
    files = place(QWEN, OUR_FORMS[precision]).glob("*.safetensors")
    return sum(path.stat().st_size for path in files)


@dataclass(kw_only=True)
class Course:
    """Asks one engine after the other for the same."""

    writer: Writer
    plan: Plan

    def run(self, child: Child, number: int) -> dict[str, float]:
        """Return what an engine does in a round, in tokens per second."""
        dice = random.Random(str(number))  # noqa: S311 - the same texts for all
        prompt = self._jobs(1, PREFILL_TOKENS, new_tokens=1, dice=dice)
        track = next(iter(child.ask(do="run", clients=words_of(prompt))["tracks"].values()))
        found = {"prefill": track["prompt_tokens"] / (track["times"][0] - track["ready"])}
        for batch, new_tokens in self.plan.new_tokens.items():
            clients = self._jobs(batch, SHORT_TOKENS, new_tokens=new_tokens, dice=dice)
            answer = child.ask(do="run", clients=words_of(clients))
            found[f"b{batch}"] = rate_of([track["times"] for track in answer["tracks"].values()])
            found["private_mb"], found["mapped_mb"] = answer["private_mb"], answer["mapped_mb"]
        return found

    def _jobs(
        self, count: int, prompt_tokens: int, *, new_tokens: int, dice: random.Random
    ) -> list[list[list[Job]]]:
        return [
            [[self.writer.job(f"a{n}", {"user": [self._text(prompt_tokens, dice)]}, new_tokens)]]
            for n in range(count)
        ]

    def _text(self, tokens: int, dice: random.Random) -> str:
        return self.writer.text(tokens - 1, dice)  # the frame begins with a token of its own


def rate_of(times: list[list[float]]) -> float:
    """Return tokens per second from when all had their first to when the first had its last."""
    begun, ended = max(each[0] for each in times), min(each[-1] for each in times)
    return sum(1 for each in times for at in each if begun < at <= ended) / (ended - begun)


def run(plan: Plan) -> tuple[dict[str, float], dict[str, Any]]:
    """Run the part; return the figures, and the table behind them."""
    print(f"arithmetic: {QWEN}", flush=True)
    wanted = [Wanted(peer=OURS, precision=bits) for bits in PEERS if bits in plan.precisions]
    wanted += [
        Wanted(peer=peer, precision=form) for peers in PEERS.values() for peer, form in peers
    ]
    course = Course(writer=Writer(QWEN), plan=plan)
    runs: dict[str, list[dict[str, float]]] = {each.label: [] for each in wanted}
    reads: dict[str, list[float]] = {bits: [] for bits in plan.precisions}
    memory = start("bandwidth")
    try:
        with opened(QWEN, wanted, WARM_UP) as children:
            for number in range(plan.rounds):
                for bits, found_reads in reads.items():  # as many bytes: caches help both alike
                    found_reads.append(memory.ask(bytes=weight_bytes(bits))["bytes_per_s"])
                for label in turns(list(children), number):
                    found = course.run(children[label], number)
                    runs[label].append(found)
                    print(f"  {label:28} {line_of(found)}", flush=True)
            loading = {label: child.opened for label, child in children.items()}
    finally:
        memory.close()
    table = {
        label: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for label, found in runs.items()
    }
    bandwidth = {bits: statistics.median(each) for bits, each in reads.items()}
    figures = figures_of(table, plan, bandwidth)
    return figures, {"loading": loading, "rates": table, "rounds": runs, "bandwidth": reads}


def line_of(found: dict[str, float]) -> str:
    """Return a round in one line."""
    return ", ".join(f"{name} {value:7.1f}" for name, value in found.items())


def figures_of(
    table: dict[str, dict[str, float]], plan: Plan, bandwidth: dict[str, float]
) -> dict[str, float]:
    """Return the ratios to the best peer of as many bits, and how much of the bandwidth ours uses."""
    found: dict[str, float] = {}
    for bits, peers in PEERS.items():
        if bits not in plan.precisions:
            continue
        ours = table[f"{OURS} {bits}"]
        for key in ("prefill", *(f"b{batch}" for batch in plan.new_tokens)):
            best = max(table[f"{peer} {form}"][key] for peer, form in peers)
            found[f"{bits}_{key}_vs_best_peer"] = ours[key] / best
            found[f"{bits}_{key}_tokens_per_s"] = ours[key]
        for key in ("private_mb", "mapped_mb"):
            found[f"{bits}_{key}"] = ours[key]
        found[f"bandwidth_gb_per_s_{bits}"] = bandwidth[bits] / 1e9
        share = ours["b1"] * weight_bytes(bits) / bandwidth[bits]
        found[f"b1_share_of_bandwidth_{bits}"] = share
    best_bits = "int8" if "int8" in plan.precisions else plan.precisions[0]
    found["b1_share_of_bandwidth"] = found[f"b1_share_of_bandwidth_{best_bits}"]
    return found
