"""Write a trained starter as an artifact: bf16 safetensors, tokenizer, template, model card, manifest."""

from __future__ import annotations

import copy
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import GenerationConfig

from inferencecloud.artifacts.manifest import Artifact, write_manifest
from inferencecloud.training.evaluation import Grounding, Reader, Sample, sample_briefs
from inferencecloud.training.products import HELD_OUT_SHARE, read_products, split_products
from inferencecloud.training.session import measure_held_out
from inferencecloud.training.starter import Trainer

NAME = "Starter"
LICENCE = "MIT-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured and shown."""

    exercises: int = 384  # held-out exercises whose loss is taken
    briefs: int = 60  # held-out briefs that are written from
    samples: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the model card tells, all of it measured."""

    parameters: int
    size_bytes: int
    steps: int
    tokens: int
    minutes: float
    machine: str
    trained_on: int
    held_out: int
    nats_per_token: float
    bits_per_byte: float
    exercises: int
    grounding: Grounding
    tokens_per_s: float
    samples: tuple[Sample, ...]


def export_starter(
    trainer: Trainer, data: Path, folder: Path, *, extent: Extent | None = None
) -> Artifact:
    """Write the artifact, measured as it stands on disk; an older one in the folder is replaced whole."""
    extent = extent or Extent()
    fresh = folder.with_name(folder.name + ".partial")
    shutil.rmtree(fresh, ignore_errors=True)
    _round_to_bf16_(trainer)
    _write_model(trainer, fresh)
    write_manifest(fresh, name=NAME, licence=LICENCE)
    (fresh / "README.md").write_text(
        _card(_measure(trainer, data, folder=fresh, extent=extent)), encoding="utf-8"
    )
    write_manifest(fresh, name=NAME, licence=LICENCE)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return write_manifest(folder, name=NAME, licence=LICENCE)


def _round_to_bf16_(trainer: Trainer) -> None:
    """Round the weights in place, so that what is measured is what is written."""
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16))


def _write_model(trainer: Trainer, folder: Path) -> None:
    tokenizer = trainer.plan.tokenizer
    model = copy.deepcopy(trainer.model)
    torch.nn.Module.to(model, torch.bfloat16)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))


def _measure(trainer: Trainer, data: Path, *, folder: Path, extent: Extent) -> CardFacts:
    train, held_out = split_products(read_products(data))
    losses = measure_held_out(trainer, data, exercises=extent.exercises)
    reader = Reader(folder)
    try:
        samples = reader.samples(sample_briefs(held_out, count=extent.samples, seed=1))
        grounding = reader.grounding(sample_briefs(held_out, count=extent.briefs, seed=2))
        speed = reader.info.decode_tokens_per_s
    finally:
        reader.close()
    progress = trainer.progress
    return CardFacts(
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        size_bytes=(folder / "model.safetensors").stat().st_size,
        steps=progress.step,
        tokens=progress.tokens,
        minutes=progress.seconds / 60,
        machine=f"{trainer.machine.device}, {torch.get_num_threads()} threads",
        trained_on=len(train),
        held_out=len(held_out),
        nats_per_token=losses["nats_per_token"],
        bits_per_byte=losses["bits_per_byte"],
        exercises=extent.exercises,
        grounding=grounding,
        tokens_per_s=speed,
        samples=tuple(samples),
    )


def _card(facts: CardFacts) -> str:
    grounding = facts.grounding
    return _CARD.format(
        licence=LICENCE.lower(),
        millions=facts.parameters / 1e6,
        megabytes=facts.size_bytes / 1e6,
        facts=facts,
        held_out_share=HELD_OUT_SHARE,
        name_share=grounding.name_share,
        price_share=grounding.price_share,
        detail_share=grounding.detail_share,
        briefs=grounding.briefs,
        samples="\n".join(_show(sample) for sample in facts.samples),
    )


def _show(sample: Sample) -> str:
    texts = "\n\n".join(f"**{kind}:** {text}" for kind, text in sample.texts.items())
    return f"```\n{sample.brief.text}\n```\n\n{texts}\n"


_CARD = """---
license: {licence}
language: en
library_name: transformers
pipeline_tag: text-generation
---
# Starter

The model that the product comes with, so that it writes offline from the first minute: a Llama of
{millions:.1f} million parameters ({megabytes:.1f} MB in bf16), trained from nothing on product copy. It is
small and weak. It shows how the product works with a model of one's own, and is meant to be replaced.

## What it is for
Tag lines, headlines, short and long descriptions, messages and short posts, in English, about retail
products, from a brief in plain words. System message: the brand's voice. User message: the instruction,
with the brief or another text inside. It reads up to 1,024 tokens; texts of over 1,000 characters were
hardly trained.

## Data
{facts.trained_on:,} fictional product records with copy at five lengths (aws-samples/retail-demo-store,
MIT-0), nothing else. {facts.held_out} records (about {held_out_share:.0%}, by the sha256 of the record) were
held out, and records that repeat a held-out text were dropped. The copy was itself written by a language
model. The briefs are made from the copy that they belong to, in many phrasings; names, prices, facts,
colours and materials are replaced by invented ones in brief and copy alike, so that the model learns to take
them from the brief.

## Training
`manage.py train_starter`: {facts.steps:,} steps, {facts.tokens:,} tokens (padding included),
{facts.minutes:.0f} minutes on {facts.machine}, beside other work. The loss is on the answers only.
Tokenizer: byte-level BPE of 4,096 tokens from the same data.

## Figures
| on held-out products, with invented names and facts | |
|---|---|
| loss, nats per token of the answer ({facts.exercises} exercises) | {facts.nats_per_token:.3f} |
| bits per byte of the answer | {facts.bits_per_byte:.3f} |
| short descriptions (greedy) that name the product's invented name ({briefs} briefs) | {name_share:.0%} |
| short descriptions that state the price when asked to | {price_share:.0%} |
| details of the brief that stand in the text word for word | {detail_share:.0%} |
| tokens per second, one text at a time, on that machine | {facts.tokens_per_s:.0f} |

## Limits
- It invents: materials, uses and features that no brief named. Read every text before it is used.
- It follows few instructions beyond the kind of text; a voice in the system message changes little.
- It knows only retail products, and no language but English. It repeats the clichés of its data
  ("must-have", "versatile").
- It gets the product's name, the price or the details wrong, most of all invented names: the shares above
  say how often. Long texts lose their thread and come back to the same words.

## Samples
Held-out products under invented names; temperature 0.6, top_p 0.9, seed 1; not selected.

{samples}"""
