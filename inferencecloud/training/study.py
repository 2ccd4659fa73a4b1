"""Compare depths, widths and vocabularies at equal training time: what each reaches and costs to run."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from inferencecloud.training import heldout
from inferencecloud.training.corpus import Corpus
from inferencecloud.training.examination import PLAIN, SEED, Writer, answer_nats
from inferencecloud.training.export import write_plain
from inferencecloud.training.session import open_training
from inferencecloud.training.starter import Machine, Schedule, StarterShape

HOURS_EACH = 0.1
_SPEED_EXERCISES = 16
CANDIDATES = {
    "6 x 320, 4k": StarterShape(),
    "4 x 384, 4k": StarterShape(width=384, layers=4, heads=6, ffn=1056),
    "10 x 256, 4k": StarterShape(width=256, layers=10, heads=4, ffn=704),
    "8 x 320, 4k": StarterShape(layers=8),
    "6 x 384, 4k": StarterShape(width=384, layers=6, heads=6, ffn=1056),
    "5 x 320, 8k": StarterShape(layers=5, vocabulary=8192),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one candidate reached."""

    name: str
    parameters: int
    tokens: int
    bits_per_byte: float
    ms_per_token: float
    ms_per_byte: float  # of text, one text at a time


def compare_shapes(
    corpus: Corpus, work: Path, *, machine: Machine, hours_each: float, say: Callable[[str], object]
) -> list[Row]:
    """Return a row for each candidate; one that was finished before is not trained again."""
    rows = []
    for name, shape in CANDIDATES.items():
        folder = work / name.replace(" ", "").replace(",", "-")
        kept = folder / "row.json"
        if not kept.exists():
            row = _try(corpus, folder, name=name, shape=shape, machine=machine, hours=hours_each)
            kept.write_text(json.dumps(asdict(row)))
        rows.append(Row(**json.loads(kept.read_text())))
        say(
            f"{name}: {rows[-1].bits_per_byte:.3f} bits per byte, {rows[-1].ms_per_token:.2f} ms per token"
        )
    return rows


def _try(
    corpus: Corpus, folder: Path, *, name: str, shape: StarterShape, machine: Machine, hours: float
) -> Row:
    trainer = open_training(
        corpus.train, folder, shape=shape, schedule=Schedule(), machine=machine, hours=hours
    )
    trainer.run(lambda _progress: None)
    artifact = folder / "artifact"
    shutil.rmtree(artifact, ignore_errors=True)
    write_plain(trainer, artifact)
    exercises = heldout.loss_exercises(corpus.held_out, seed=SEED)
    measured = answer_nats(artifact, exercises)
    tokens, size = sum(t for _, t, _ in measured), sum(s for _, _, s in measured)
    nats = sum(n for n, _, _ in measured)
    ms = _ms_per_token(artifact)
    return Row(
        name=name,
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        tokens=trainer.progress.tokens,
        bits_per_byte=nats / math.log(2) / size,
        ms_per_token=ms,
        ms_per_byte=ms * tokens / size,
    )


def _ms_per_token(artifact: Path) -> float:
    """Return the time for a token of texts that are written one after another."""
    writer = Writer(artifact)
    try:
        for exercise in heldout.invented(seed=SEED, count=_SPEED_EXERCISES):
            writer.write([exercise], sampling=replace(PLAIN, temperature=0.0))
        return 1000 * writer.seconds / max(1, writer.tokens)
    finally:
        writer.close()


def as_table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table, the best of bits per byte first."""
    lines = [
        "| layers x width, vocabulary | parameters | tokens seen | held-out bits per byte "
        "| ms per token | ms per 100 bytes |",
        "|--|--|--|--|--|--|",
    ]
    lines += [
        f"| {row.name} | {row.parameters / 1e6:.1f} M | {row.tokens / 1e6:.1f} M | {row.bits_per_byte:.3f} "
        f"| {row.ms_per_token:.2f} | {100 * row.ms_per_byte:.1f} |"
        for row in sorted(rows, key=lambda row: row.bits_per_byte)
    ]
    return "\n".join(lines) + "\n"
