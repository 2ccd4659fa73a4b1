"""Write a trained starter as an artifact: bf16 safetensors, tokenizer, template, model card, manifest."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import torch
from transformers import GenerationConfig

from inferencecloud.artifacts.manifest import Artifact, write_manifest
from inferencecloud.engine.loading import GUIDANCE_KEY
from inferencecloud.training.card import TrainingFacts, write_card
from inferencecloud.training.corpus import Corpus
from inferencecloud.training.examination import Extent, examine
from inferencecloud.training.starter import Trainer

NAME = "Starter"
LICENCE = "MIT-0"
# How much more counts what the brief makes likelier (`engine.guidance`). With it more of the facts stand in
# a text, lengths are obeyed more often; at 2 some more facts, and texts that read worse (starter-study.md).
GUIDANCE_SCALE = 1.5


def export_starter(
    trainer: Trainer, corpus: Corpus, folder: Path, *, extent: Extent | None = None
) -> Artifact:
    """Write the artifact, measured as it stands on disk; an older one in the folder is replaced whole."""
    fresh = folder.with_name(folder.name + ".partial")
    shutil.rmtree(fresh, ignore_errors=True)
    write_plain(trainer, fresh)
    found = examine(fresh, corpus, extent or Extent())
    facts = _training_facts(trainer, corpus, fresh)
    (fresh / "README.md").write_text(write_card(facts, found, licence=LICENCE), encoding="utf-8")
    write_manifest(fresh, name=NAME, licence=LICENCE)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return write_manifest(folder, name=NAME, licence=LICENCE)


def write_plain(trainer: Trainer, folder: Path) -> None:
    """Write weights in bf16, tokenizer and manifest, without measuring anything."""
    tokenizer = trainer.plan.tokenizer
    model = copy.deepcopy(trainer.model)
    torch.nn.Module.to(model, torch.bfloat16)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **{GUIDANCE_KEY: GUIDANCE_SCALE},
    )
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    write_manifest(folder, name=NAME, licence=LICENCE)


def _training_facts(trainer: Trainer, corpus: Corpus, folder: Path) -> TrainingFacts:
    progress = trainer.progress
    return TrainingFacts(
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        size_bytes=(folder / "model.safetensors").stat().st_size,
        vocabulary=trainer.model.config.vocab_size,
        context_tokens=trainer.plan.context_tokens,
        steps=progress.step,
        tokens=progress.tokens,
        minutes=progress.seconds / 60,
        machine=f"{trainer.machine.device}, {torch.get_num_threads()} threads"
        + (", bf16 autocast" if trainer.machine.bf16 else ""),
        products=len(corpus.train.products),
        posts=len(corpus.train.posts),
        products_held_out=len(corpus.held_out.products),
        posts_held_out=len(corpus.held_out.posts),
        instructed=trainer.plan.sources.instructed,
        guidance_scale=GUIDANCE_SCALE,
        start=trainer.schedule.start,
    )
