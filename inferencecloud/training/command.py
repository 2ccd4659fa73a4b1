"""Carry out one order to train the starter: open or resume, train, measure, export, telling how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import verify_artifact
from inferencecloud.training import session, study
from inferencecloud.training.corpus import read_corpus
from inferencecloud.training.examination import Extent
from inferencecloud.training.export import export_starter
from inferencecloud.training.generator.recipe import FIRST, SECOND
from inferencecloud.training.products import RecordMalformed, TrainingDataMissing
from inferencecloud.training.starter import (
    CheckpointOfAnotherTraining,
    NoStarter,
    Progress,
    Schedule,
    StarterShape,
    Trainer,
    choose_machine,
)

Refusals = (
    TrainingDataMissing,
    RecordMalformed,
    CheckpointOfAnotherTraining,
    ArtifactError,
    NoStarter,
)
_REPORT_EVERY_S = 10.0
_SECOND_STEPS, _SECOND_RATE = 2000, 1.5e-3  # of the second stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be trained, from what, and where it goes."""

    data: Path
    out: Path
    work: Path
    steps: int | None = None
    hours: float | None = None
    tokens_per_step: int | None = None
    threads: int | None = None
    shape: Mapping[str, int]
    start: Path | None = None  # a trained starter: the second stage goes on from it
    stop_at: int | None = None
    fresh: bool = False
    compiled: bool = False
    instructed: bool = True
    checkpoint_every_s: float | None = None
    extent: Extent = field(default_factory=Extent)


def carry_out(order: Order, *, say: Callable[[str], object]) -> None:
    """Train and export; with `stop_at` only train up to there.

    Raises:
        TrainingDataMissing: There is no data.
        RecordMalformed: The data is not what it should be.
        CheckpointOfAnotherTraining: The work folder holds a training with other settings.
        ArtifactError: What the second stage is to go on from is not what its manifest says.
        NoStarter: It is no starter.
    """
    if order.threads is not None:
        torch.set_num_threads(order.threads)
    trainer = _open(order)
    steps = trainer.schedule.steps
    if trainer.progress.step:
        say(f"Going on at step {trainer.progress.step} of {steps}.")
    trainer.run(_reporter(steps, say), until=order.stop_at)
    if trainer.progress.step < steps:
        say(f"Stopped at step {trainer.progress.step} of {steps}; the same command goes on.")
        return
    say("Measuring and writing the model.")
    artifact = export_starter(trainer, read_corpus(order.data), order.out, extent=order.extent)
    say(
        f"Wrote {artifact.manifest.name} ({artifact.manifest.parameters:,} parameters) to {order.out}."
    )


def carry_out_study(order: Order, table: Path, *, say: Callable[[str], object]) -> None:
    """Train every candidate for the same time, and write the table of what they reached.

    Raises:
        TrainingDataMissing: There is no data.
        RecordMalformed: The data is not what it should be.
    """
    if order.threads is not None:
        torch.set_num_threads(order.threads)
    rows = study.compare_shapes(
        read_corpus(order.data),
        order.work,
        machine=choose_machine(compiled=order.compiled),
        hours_each=order.hours or study.HOURS_EACH,
        say=say,
    )
    table.write_text(study.as_table(rows), encoding="utf-8")
    say(f"Wrote {table}.")


def _open(order: Order) -> Trainer:
    start = verify_artifact(order.start) if order.start else None
    sources = session.read_training_sources(
        order.data, instructed=order.instructed, recipe=SECOND if start else FIRST
    )
    if order.fresh:
        session.forget(order.work)
    schedule = Schedule(steps=_SECOND_STEPS, learning_rate=_SECOND_RATE) if start else Schedule()
    schedule = replace(
        schedule,
        steps=order.steps or schedule.steps,
        tokens_per_step=order.tokens_per_step or schedule.tokens_per_step,
        checkpoint_every_s=order.checkpoint_every_s or schedule.checkpoint_every_s,
    )
    machine = choose_machine(compiled=order.compiled)
    hours = None if order.steps else order.hours
    if start:
        return session.open_second_stage(
            start, sources, order.work, schedule=schedule, machine=machine, hours=hours
        )
    return session.open_training(
        sources,
        order.work,
        shape=StarterShape(**order.shape),
        schedule=schedule,
        machine=machine,
        hours=hours,
    )


def _reporter(steps: int, say: Callable[[str], object]) -> Callable[[Progress], None]:
    started = time.monotonic()
    first: list[Progress] = []
    last_said = [0.0]

    def report(progress: Progress) -> None:
        if not first:
            first.append(replace(progress))
        now = time.monotonic()
        if now - last_said[0] < _REPORT_EVERY_S and progress.step < steps:
            return
        last_said[0] = now
        done = progress.step - first[0].step + 1
        rest_s = (now - started) / done * (steps - progress.step)
        speed = (progress.tokens - first[0].tokens) / max(1e-6, now - started)
        say(
            f"step {progress.step}/{steps}  loss {progress.loss:.3f}  {speed:,.0f} tokens/s  "
            f"about {rest_s / 60:.0f} min left"
        )

    return report
