"""One training from the data to a trained model in a work folder: the library behind `train_starter`."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from inferencecloud.training.batches import BatchPlan
from inferencecloud.training.products import Product, read_products, split_products
from inferencecloud.training.starter import (
    Machine,
    Schedule,
    StarterShape,
    Trainer,
    build_model,
    measure_loss,
)
from inferencecloud.training.tasks import make_exercise
from inferencecloud.training.tokens import load_tokenizer, train_tokenizer

HELD_OUT_ROUND = -1  # a round number that training never reaches


def open_training(
    data: Path,
    folder: Path,
    *,
    shape: StarterShape,
    schedule: Schedule,
    machine: Machine,
    fresh: bool = False,
) -> Trainer:
    """Return a training that goes on where the folder's checkpoint stands, or starts anew.

    Raises:
        TrainingDataMissing: There is no data.
        CheckpointOfAnotherTraining: The folder holds a training with other settings.
    """
    train, _ = split_products(read_products(data))
    if fresh and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer_for(train, folder / "tokenizer", shape=shape, seed=schedule.seed)
    plan = BatchPlan(
        products=train,
        tokenizer=tokenizer,
        tokens_per_batch=schedule.tokens_per_step,
        context_tokens=shape.context_tokens,
        seed=schedule.seed,
    )
    model = build_model(shape, tokenizer, schedule.seed)
    trainer = Trainer(model=model, plan=plan, schedule=schedule, machine=machine, folder=folder)
    trainer.load_checkpoint()
    return trainer


def measure_held_out(trainer: Trainer, data: Path, *, exercises: int) -> dict[str, float]:
    """Return the loss on products that the training never saw, under invented names and facts."""
    _, held_out = split_products(read_products(data))
    plan = BatchPlan(
        products=held_out,
        tokenizer=trainer.plan.tokenizer,
        tokens_per_batch=trainer.plan.tokens_per_batch,
        context_tokens=trainer.plan.context_tokens,
        seed=trainer.plan.seed,
    )
    batches = plan.round(HELD_OUT_ROUND, examples=exercises)
    return measure_loss(trainer.model, batches, trainer.machine)


def _tokenizer_for(
    products: list[Product], folder: Path, *, shape: StarterShape, seed: int
) -> PreTrainedTokenizerFast:
    if (folder / "tokenizer.json").exists():
        return load_tokenizer(folder)
    rng = random.Random(f"{seed}:tokenizer")  # noqa: S311 - no secret
    texts: list[str] = []
    for product in products * 4:
        exercise = make_exercise(rng, product)
        texts += [content for _, content in exercise.messages] + [exercise.completion]
    tokenizer = train_tokenizer(
        texts, vocabulary=shape.vocabulary, context_tokens=shape.context_tokens
    )
    tokenizer.save_pretrained(str(folder))
    return tokenizer
