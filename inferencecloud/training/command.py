"""Carry out one order to train the starter: open or resume, train, measure, export, telling how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from inferencecloud.training.export import Extent, export_starter
from inferencecloud.training.products import RecordMalformed, TrainingDataMissing
from inferencecloud.training.session import open_training
from inferencecloud.training.starter import (
    CheckpointOfAnotherTraining,
    Progress,
    Schedule,
    StarterShape,
    choose_machine,
)

Refusals = (TrainingDataMissing, RecordMalformed, CheckpointOfAnotherTraining)
_REPORT_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be trained, from what, and where it goes."""

    data: Path
    out: Path
    work: Path
    steps: int | None = None
    tokens_per_step: int | None = None
    threads: int | None = None
    shape: Mapping[str, int]
    stop_at: int | None = None
    fresh: bool = False
    compiled: bool = False
    checkpoint_every_s: float | None = None
    extent: Extent = field(default_factory=Extent)


def carry_out(order: Order, *, say: Callable[[str], object]) -> None:
    """Train and export; with `stop_at` only train up to there.

    Raises:
        TrainingDataMissing: There is no data.
        RecordMalformed: The data is not product records.
        CheckpointOfAnotherTraining: The work folder holds a training with other settings.
    """
    if order.threads is not None:
        torch.set_num_threads(order.threads)
    schedule = Schedule()
    schedule = replace(
        schedule,
        steps=order.steps or schedule.steps,
        tokens_per_step=order.tokens_per_step or schedule.tokens_per_step,
        checkpoint_every_s=order.checkpoint_every_s or schedule.checkpoint_every_s,
    )
    trainer = open_training(
        order.data,
        order.work,
        shape=StarterShape(**order.shape),
        schedule=schedule,
        machine=choose_machine(compiled=order.compiled),
        fresh=order.fresh,
    )
    if trainer.progress.step:
        say(f"Going on at step {trainer.progress.step} of {schedule.steps}.")
    trainer.run(_reporter(schedule.steps, say), until=order.stop_at)
    if trainer.progress.step < schedule.steps:
        say(
            f"Stopped at step {trainer.progress.step} of {schedule.steps}; the same command goes on."
        )
        return
    say("Measuring and writing the model.")
    artifact = export_starter(trainer, order.data, order.out, extent=order.extent)
    say(
        f"Wrote {artifact.manifest.name} ({artifact.manifest.parameters:,} parameters) to {order.out}."
    )


def _reporter(steps: int, say: Callable[[str], object]) -> Callable[[Progress], None]:
    started = time.monotonic()
    first: list[int] = []
    last_said = [0.0]

    def report(progress: Progress) -> None:
        if not first:
            first.append(progress.step)
        now = time.monotonic()
        if now - last_said[0] < _REPORT_EVERY_S and progress.step < steps:
            return
        last_said[0] = now
        done = progress.step - first[0] + 1
        rest_s = (now - started) / done * (steps - progress.step)
        say(
            f"step {progress.step}/{steps}  loss {progress.loss:.3f}  about {rest_s / 60:.0f} min left"
        )

    return report
