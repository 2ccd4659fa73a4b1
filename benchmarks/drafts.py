"""What guesses bring: tokens per second with none, with those looked up in the text, with a small model's.

    python benchmarks/peers/prepare.py     once: makes the models
    python benchmarks/drafts.py [--quick] [--data FILE]

The model computes in fp32; the draft model is the same with weights of 8 or 4 bits. The starter writes copy
for held-out products, half of it rewritings of a text in the prompt. The shape of SmolLM2-135M has random
weights: its figures say what speed comes from guesses that hold so often, not how often they hold.
`held` is the share of guessed tokens that the model kept. Ratios are to no guesses at all, in rounds that
alternate; medians.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.engines.prompts import Writer  # noqa: E402
from benchmarks.inside.record import commit, machine  # noqa: E402
from benchmarks.peers.places import SMOL, STARTER  # noqa: E402
from benchmarks.peers.places import model as place  # noqa: E402
from inferencecloud.artifacts.manifest import verify_artifact  # noqa: E402
from inferencecloud.engine import Message, Request, Role, Sampling, Text  # noqa: E402
from inferencecloud.engine.batching import BatchingEngine  # noqa: E402
from inferencecloud.engine.config import BatchingConfig  # noqa: E402
from inferencecloud.engine.drafting import Lookup  # noqa: E402
from inferencecloud.engine.scheduler import Limits  # noqa: E402
from inferencecloud.training.products import read_products, split_products  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "copy" / "products.jsonl"
RESULTS = ROOT / "benchmarks" / "results" / "drafts.json"
WRITERS = (1, 4)
NEW_TOKENS = 96
SLOW_TEXTS = 4  # of the larger model


@dataclass(frozen=True, kw_only=True)
class Way:
    """How guesses come about."""

    looks_up: bool = False
    draft: str | None = None  # the form of the model that guesses


WAYS = {
    STARTER: {
        "none": Way(),
        "lookup": Way(looks_up=True),
        "int8": Way(looks_up=True, draft="ours-int8"),
        "w4": Way(looks_up=True, draft="ours-int4"),
    },
    # Random weights repeat themselves: what is looked up would always hold.
    SMOL: {"none": Way(), "int8": Way(draft="ours-int8"), "w4": Way(draft="ours-int4")},
}


def prompts_of(name: str, data: Path, count: int) -> list[str]:
    """Return what is asked for."""
    if name == SMOL:
        dice = random.Random(1)  # noqa: S311 - the same texts in every run
        return [Writer(name).text(120, dice) for _ in range(count)]
    _, held_out = split_products(read_products(data))
    made = []
    for number, product in enumerate(held_out[:count]):
        copy = product.copy["long"]
        made.append(
            f"Write a long description of:\nProduct: {copy.name}"
            if number % 2
            else f"Rewrite for LinkedIn:\n{copy.text}"
        )
    return made


@contextmanager
def opened(name: str, way: Way) -> Iterator[BatchingEngine]:
    """Yield an engine with the model that guesses in this way."""
    folder = place(name, "hf")
    called = verify_artifact(folder).manifest.name
    limits = Limits(draft_tokens=4 if way.looks_up or way.draft else 0)
    drafts = {called: place(name, way.draft)} if way.draft else {}
    engine = BatchingEngine(BatchingConfig(limits=limits, drafts=drafts))
    try:
        engine.load(folder, key=name)
        yield engine
    finally:
        engine.close()


def measured(
    engine: BatchingEngine, name: str, *, prompts: list[str], writers: int
) -> dict[str, float]:
    """Return tokens per second with so many writers at once, and how the guesses went."""
    before, begun = engine.metrics(), time.perf_counter()
    for start in range(0, len(prompts), writers):
        stage = engine.submit(
            [
                Request(
                    id=str(number),
                    model=name,
                    messages=(Message(Role.USER, (Text(prompt),)),),
                    sampling=Sampling(max_new_tokens=NEW_TOKENS, guidance_scale=1.0),
                )
                for number, prompt in enumerate(prompts[start : start + writers])
            ]
        )
        while not stage.finished:
            list(stage.poll(timeout_s=60))
    spent, after = time.perf_counter() - begun, engine.metrics()
    drafted = after.drafted_tokens - before.drafted_tokens
    written = after.generated_tokens - before.generated_tokens
    held = after.held_tokens - before.held_tokens
    return {
        "tokens_per_s": written / spent,
        "held": held / max(1, drafted),
        "drafted_share": drafted / max(1, written),
    }


def compare(name: str, prompts: list[str], rounds: int) -> dict[str, float]:
    """Return the figures of one model."""
    runs: dict[tuple[str, int], list[dict[str, float]]] = {}
    for number in range(rounds):
        ways = list(WAYS[name].items())
        for called, way in ways if number % 2 == 0 else reversed(ways):
            looks = patch.object(Lookup, "draft", Lookup.draft if way.looks_up else no_draft)
            with looks, opened(name, way) as engine:
                for writers in WRITERS:
                    found = measured(engine, name, prompts=prompts, writers=writers)
                    runs.setdefault((called, writers), []).append(found)
    figures: dict[str, float] = {}
    print(f"{name}: {len(prompts)} texts, {rounds} rounds")
    for (called, writers), all_found in runs.items():
        medians = {key: statistics.median(one[key] for one in all_found) for key in all_found[0]}
        print(
            f"  {writers} at once, {called:7} {medians['tokens_per_s']:8.1f} tokens/s, guessed "
            f"{medians['drafted_share']:.2f} for each written, held {medians['held']:.2f}"
        )
        plain = statistics.median(one["tokens_per_s"] for one in runs["none", writers])
        ending = f"{name}_{called}_at_{writers}"
        if called != "none":
            figures[f"gain_{ending}"] = medians["tokens_per_s"] / plain
            figures[f"held_{ending}"] = medians["held"]
        figures[f"tokens_per_s_{ending}"] = medians["tokens_per_s"]
    return figures


def no_draft(*_words: object) -> tuple[int, ...]:
    """Find nothing."""
    return ()


def main() -> None:
    """Measure, keep, print; the last line is for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA)
    chosen = parser.parse_args()
    about = machine()
    count, rounds = (4, 1) if chosen.quick else (12, 3)
    figures: dict[str, float] = {}
    for name in WAYS:
        texts = count if name == STARTER else min(count, SLOW_TEXTS)
        figures |= compare(name, prompts_of(name, chosen.data, texts), rounds)
    figures = {name: round(value, 3) for name, value in figures.items()}
    if not chosen.quick:
        content = {"commit": commit(), **about, "figures": figures}
        RESULTS.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    print(json.dumps({"benchmark": "drafts", "figures": figures}))


if __name__ == "__main__":
    main()
