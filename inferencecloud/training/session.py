"""One training from the data to a trained model in a work folder: the library behind `train_starter`."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from inferencecloud.artifacts.manifest import Artifact
from inferencecloud.training.batches import BatchPlan
from inferencecloud.training.corpus import read_corpus
from inferencecloud.training.generator.mix import Sources
from inferencecloud.training.generator.recipe import FIRST, Recipe
from inferencecloud.training.starter import (
    CheckpointOfAnotherTraining,
    Machine,
    Schedule,
    StarterShape,
    Trainer,
    build_model,
    read_shape,
)
from inferencecloud.training.tokens import load_tokenizer, train_tokenizer

EXERCISES_PER_TOKEN, MOST_EXERCISES = 3, 12_000  # what a tokenizer is trained on
_WARM_STEPS, _TIMED_STEPS = 10, 12  # the first ones compile, where that was asked for


def open_training(
    sources: Sources,
    folder: Path,
    *,
    shape: StarterShape,
    schedule: Schedule,
    machine: Machine,
    hours: float | None = None,
) -> Trainer:
    """Return a training that goes on where the folder's checkpoint stands, or starts anew.

    Args:
        sources: The records to train on.
        folder: Holds tokenizer, checkpoint and how many steps were found to fit the time.
        shape: The size of the model.
        schedule: Steps and rates.
        machine: Where to train.
        hours: As many steps as fit into this time at the speed measured here; None: the schedule's own.

    Raises:
        CheckpointOfAnotherTraining: The folder holds a training with other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer_for(sources, folder / "tokenizer", shape=shape, seed=schedule.seed)
    plan = BatchPlan(
        sources=sources,
        tokenizer=tokenizer,
        tokens_per_batch=schedule.tokens_per_step,
        context_tokens=shape.context_tokens,
        seed=schedule.seed,
    )
    if hours is not None:
        schedule = _fit(
            plan,
            folder / "steps.json",
            shape=shape,
            schedule=schedule,
            machine=machine,
            hours=hours,
        )
    trainer = _trainer(plan, folder, shape=shape, schedule=schedule, machine=machine)
    trainer.load_checkpoint()
    return trainer


def open_second_stage(
    start: Artifact,
    sources: Sources,
    folder: Path,
    *,
    schedule: Schedule,
    machine: Machine,
    hours: float | None = None,
) -> Trainer:
    """Return a training that goes on from a trained starter, its tokenizer kept; else as `open_training`.

    Raises:
        NoStarter: The artifact is another kind of model.
        CheckpointOfAnotherTraining: The folder holds a training with other settings or another tokenizer.
    """
    shape, tokenizer = read_shape(start), load_tokenizer(start.folder)
    kept = folder / "tokenizer"
    if not (kept / "tokenizer.json").exists():
        tokenizer.save_pretrained(str(kept))
    elif load_tokenizer(kept).get_vocab() != tokenizer.get_vocab():
        raise CheckpointOfAnotherTraining(folder)
    trainer = open_training(
        sources,
        folder,
        shape=shape,
        schedule=replace(schedule, start=start.manifest.digest),
        machine=machine,
        hours=hours,
    )
    if not trainer.progress.step:
        trainer.take_weights(start.folder)
    return trainer


def forget(folder: Path) -> None:
    """Remove an earlier training from the folder."""
    if folder.exists():
        shutil.rmtree(folder)


def read_training_sources(
    data: Path, *, instructed: bool = True, recipe: Recipe = FIRST
) -> Sources:
    """Return what a training may see of the data: never a held-out record."""
    return replace(read_corpus(data).train, instructed=instructed, recipe=recipe)


def _trainer(
    plan: BatchPlan, folder: Path, *, shape: StarterShape, schedule: Schedule, machine: Machine
) -> Trainer:
    model = build_model(shape, plan.tokenizer, schedule.seed)
    return Trainer(model=model, plan=plan, schedule=schedule, machine=machine, folder=folder)


def _fit(
    plan: BatchPlan,
    path: Path,
    *,
    shape: StarterShape,
    schedule: Schedule,
    machine: Machine,
    hours: float,
) -> Schedule:
    """Return the schedule with as many steps as fit; what was found once holds for every resumption."""
    if not path.exists():
        seconds = _seconds_per_step(plan, shape=shape, schedule=schedule, machine=machine)
        found = {
            "steps": max(1, int(hours * 3600 / seconds)),
            "seconds_per_step": seconds,
            "hours": hours,
        }
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(found))
        os.replace(partial, path)
    return replace(schedule, steps=int(json.loads(path.read_text())["steps"]))


def _seconds_per_step(
    plan: BatchPlan, *, shape: StarterShape, schedule: Schedule, machine: Machine
) -> float:
    """Time steps of a model that is thrown away, the making of their batches included."""
    with tempfile.TemporaryDirectory() as scratch:
        trial = _trainer(plan, Path(scratch), shape=shape, schedule=schedule, machine=machine)
        started = time.perf_counter()
        batches = plan.round(0)
        making_s = (time.perf_counter() - started) / len(batches)
        for batch in batches[:_WARM_STEPS]:
            trial.step(batch)
        timed = batches[_WARM_STEPS : _WARM_STEPS + _TIMED_STEPS] or batches
        started = time.perf_counter()
        for batch in timed:
            trial.step(batch)
        return making_s + (time.perf_counter() - started) / len(timed)


def _tokenizer_for(
    sources: Sources, folder: Path, *, shape: StarterShape, seed: int
) -> PreTrainedTokenizerFast:
    if (folder / "tokenizer.json").exists():
        return load_tokenizer(folder)
    rng = random.Random(f"{seed}:tokenizer")  # noqa: S311 - no secret
    texts: list[str] = []
    count = min(MOST_EXERCISES, EXERCISES_PER_TOKEN * shape.vocabulary)
    for exercise in replace(sources, instructed=True).exercises(rng, count, done=0.5):
        texts += [content for _, content in exercise.messages] + [exercise.completion]
    tokenizer = train_tokenizer(
        texts, vocabulary=shape.vocabulary, context_tokens=shape.context_tokens
    )
    tokenizer.save_pretrained(str(folder))
    return tokenizer
