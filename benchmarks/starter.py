"""How well the starter writes on records that it has never seen, through our engine.

    python benchmarks/starter.py [--quick] [--model models/starter] [--data ../shared/data]

Held out by the sha256 of the record: 150 products and 100 posts. `loss` (nats per token) and
`bits_per_byte` of the answers come with the bounds of a bootstrap over records; they are taken through
transformers in fp32. All other figures are of texts that our engine writes (temperature 0.3, top_p 0.9,
fixed seed, the guidance of the model's own settings), the engine's constraints off; `*_constrained` are the
same with them on (forbidden words banned, lengths kept, the brief's facts asked for), `*_unguided`
without guidance, `*_served` the same as a notebook's cell writes by default (temperature 0.6, repetition
penalty 1.15, no eight tokens twice), `*_helped` as a cell writes that was told what it must say, must not say
and how long.

`fact_keeping` is the mean share of the brief's facts that stand in the text word for word, none where it
has the name of another brief; `copied_spans` the share of texts with 12 words in a row from the records
trained on; `skeleton_repeats` the share that has six function words in a row, content words left out, in
common with another; `*_of_people` the same figure of the held-out copy itself. The last line is JSON; a
full run is kept in benchmarks/results/starter.json, under the name of the model's folder.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.inside.record import commit, machine  # noqa: E402
from inferencecloud.artifacts.manifest import verify_artifact  # noqa: E402
from inferencecloud.training.corpus import read_corpus  # noqa: E402
from inferencecloud.training.examination import Extent, examine  # noqa: E402
from inferencecloud.training.products import TrainingDataMissing  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "starter.json"
FULL = Extent()
QUICK = Extent(products=24, posts=9, invented=16, samples=6)
PROMISED = {  # figure: (the bound, whether it is a least)
    "fact_keeping": (0.90, True),
    "length_obeyed": (0.95, True),
    "avoid_words_absent": (0.98, True),
    "copied_spans": (0.05, False),
    "skeleton_repeats": (0.05, False),
}


def kept_promises(
    figures: dict[str, float], intervals: dict[str, dict[str, float]]
) -> dict[str, bool]:
    """Return which bounds hold."""
    kept = {
        name: figures[name] >= bound if least else figures[name] <= bound
        for name, (bound, least) in PROMISED.items()
    }
    people = intervals["distinct_2_of_people"]
    return kept | {"distinct_2": people["low"] <= figures["distinct_2"] <= people["high"]}


def keep(name: str, content: dict[str, Any]) -> None:
    """Write what was measured of the model beside what was measured of others."""
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    results[name] = content
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, show, keep."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer records; nothing is kept")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "starter")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    started = time.monotonic()
    try:
        corpus = read_corpus(options.data)
    except TrainingDataMissing as missing:
        sys.exit(str(missing))
    artifact = verify_artifact(options.model)
    found = examine(
        options.model, corpus, QUICK if options.quick else FULL, threads=options.threads
    )
    for sample in found.samples[:6]:
        print(f"--- {sample.kind}\n{sample.prompt}\n=> {sample.text}\n")
    content = {
        "figures": found.figures,
        "intervals": found.intervals,
        "counts": found.counts,
        "kept": kept_promises(found.figures, found.intervals),
        "model": {"digest": artifact.manifest.digest, "parameters": artifact.manifest.parameters},
        "machine": machine(),
        "commit": commit(),
        "seconds": time.monotonic() - started,
    }
    if not options.quick:
        keep(options.model.name, content)
    for name, value in sorted(found.figures.items()):
        promise = {True: "kept", False: "missed", None: ""}[content["kept"].get(name)]
        print(f"{name:32} {value:10.3f}  {promise}")
    print(json.dumps({"benchmark": "starter", "figures": found.figures}))


if __name__ == "__main__":
    main()
