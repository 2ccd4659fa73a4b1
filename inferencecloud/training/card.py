# ruff: noqa: E501 - patterns and prose read best on one line
"""Write the model card of a starter: all of its figures are measured, its samples unedited."""

from __future__ import annotations

from dataclasses import dataclass

from inferencecloud.training.examination import Examination, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFacts:
    """What was trained, on what, and at what cost."""

    parameters: int
    size_bytes: int
    vocabulary: int
    context_tokens: int
    steps: int
    tokens: int  # padding included
    minutes: float
    machine: str
    products: int
    posts: int
    products_held_out: int
    posts_held_out: int
    instructed: bool
    guidance_scale: float = 1.0  # in its generation_config.json
    start: str = ""  # digest of the model that the training went on from


_ROWS = (
    ("loss", "loss, nats per token of the answer", "{:.3f}"),
    ("bits_per_byte", "bits per byte of the answer", "{:.3f}"),
    (
        "fact_keeping",
        "facts of the brief that stand in the text (none counted where another brief's name does)",
        "{:.1%}",
    ),
    ("all_facts_kept", "texts with all of their facts", "{:.1%}"),
    ("fact_keeping_constrained", "facts kept, the engine asking for them", "{:.1%}"),
    ("all_facts_kept_constrained", "the same: texts with all of them", "{:.1%}"),
    ("fact_keeping_invented", "facts kept, made-up subjects and other kinds of text", "{:.1%}"),
    ("length_obeyed", "wished lengths obeyed", "{:.1%}"),
    ("length_obeyed_constrained", "the same, the engine keeping them", "{:.1%}"),
    ("avoid_words_absent", "texts without the forbidden words", "{:.1%}"),
    ("avoid_words_absent_constrained", "the same, the engine banning them", "{:.1%}"),
    ("copied_spans", "texts with 12 words in a row from the records trained on", "{:.1%}"),
    ("copied_spans_of_people", "the same of the held-out copy itself", "{:.1%}"),
    ("skeleton_repeats", "texts that share a run of six function words with another", "{:.1%}"),
    ("skeleton_repeats_of_people", "the same of the held-out copy itself", "{:.1%}"),
    ("distinct_2", "distinct-2", "{:.3f}"),
    (
        "distinct_2_of_people",
        "distinct-2 of the held-out copy, in samples of the same size",
        "{:.3f}",
    ),
    (
        "post_fact_keeping",
        "titles, decks and summaries of posts: names kept (tried only)",
        "{:.1%}",
    ),
    ("fact_keeping_served", "as a notebook's cell is set by default: facts kept", "{:.1%}"),
    ("length_obeyed_served", "the same: wished lengths obeyed", "{:.1%}"),
    ("avoid_words_absent_served", "the same: texts without the forbidden words", "{:.1%}"),
    ("copied_spans_served", "the same: 12 words in a row from training", "{:.1%}"),
    ("skeleton_repeats_served", "the same: shared runs of function words", "{:.1%}"),
    ("distinct_2_served", "the same: distinct-2", "{:.3f}"),
    (
        "fact_keeping_helped",
        "a cell that is told what it must say, must not say, and how long: facts kept",
        "{:.1%}",
    ),
    ("length_obeyed_helped", "the same: wished lengths obeyed", "{:.1%}"),
    ("avoid_words_absent_helped", "the same: texts without the forbidden words", "{:.1%}"),
    ("copied_spans_helped", "the same: 12 words in a row from training", "{:.1%}"),
    ("skeleton_repeats_helped", "the same: shared runs of function words", "{:.1%}"),
    ("distinct_2_helped", "the same: distinct-2", "{:.3f}"),
    ("fact_keeping_unguided", "without guidance: facts kept", "{:.1%}"),
    ("length_obeyed_unguided", "the same: wished lengths obeyed", "{:.1%}"),
    ("avoid_words_absent_unguided", "the same: texts without the forbidden words", "{:.1%}"),
    ("copied_spans_unguided", "the same: 12 words in a row from training", "{:.1%}"),
    ("skeleton_repeats_unguided", "the same: shared runs of function words", "{:.1%}"),
    ("distinct_2_unguided", "the same: distinct-2", "{:.3f}"),
    (
        "tokens_per_s_alone",
        "tokens per second, one text at a time, on two cores of the measuring machine",
        "{:,.0f}",
    ),
    ("tokens_per_s_batched", "tokens per second, all texts at once", "{:,.0f}"),
    (
        "memory_mib",
        "memory of the measuring process at its highest, MiB (training included)",
        "{:,.0f}",
    ),
)


def write_card(facts: TrainingFacts, found: Examination, *, licence: str) -> str:
    """Return the card in Markdown."""
    return _CARD.format(
        licence=licence.lower(),
        guidance=facts.guidance_scale,
        millions=facts.parameters / 1e6,
        megabytes=facts.size_bytes / 1e6,
        facts=facts,
        kind=""
        if facts.instructed
        else " It was trained on the texts alone, without instructions, to compare with.",
        command="manage.py train_starter --from" if facts.start else "manage.py train_starter",
        stage=f" It went on from the model {facts.start[:12]}, in a second stage."
        if facts.start
        else "",
        rows="\n".join(_row(found, row) for row in _ROWS if row[0] in found.figures),
        count=len(found.samples),
        samples="\n".join(_show(sample) for sample in found.samples),
    )


def _row(found: Examination, row: tuple[str, str, str]) -> str:
    name, label, form = row
    value = form.format(found.figures[name])
    if name in found.intervals:
        bounds = found.intervals[name]
        value += f" ({form.format(bounds['low'])} to {form.format(bounds['high'])})"
    return f"| {label} | {value} |"


def _show(sample: Sample) -> str:
    prompt = sample.prompt.replace("```", "'''")
    return f"**{sample.kind}**\n```\n{prompt}\n```\n```\n{sample.text.replace('```', chr(39) * 3)}\n```\n"


_CARD = """---
license: {licence}
language: en
library_name: transformers
pipeline_tag: text-generation
---
# Starter

The model that the product comes with, so that it writes offline from the first minute: a Llama of
{millions:.1f} million parameters ({megabytes:.1f} MB in bf16), trained from nothing. It is small. It shows how the
product works with a model of one's own, and is for trying out: add a larger one in Models.{kind}

## What it is for
Tag lines, headlines, short, medium and long descriptions, name ideas, shortening, expanding and rewriting, posts for
LinkedIn and X, e-mails and leads of press releases, in English, from a brief in plain words. It is trained to keep
the facts of the brief, a wished length, and words to avoid. System message: the brand's voice. User message: the instruction,
with the brief or another text. It reads up to {facts.context_tokens:,} tokens.

## Data and licences
{facts.products:,} fictional product records with copy at five lengths (aws-samples/retail-demo-store, MIT-0), {facts.posts:,} posts
of public offices (GSA/digitalgov.gov, CC0), and made-up briefs with their texts from the generator in this repository. Held out by the
sha256 of the record: {facts.products_held_out} products and {facts.posts_held_out} posts; records that repeat a held-out text were dropped. The product
copy was itself written by a language model. Names, prices, colours, materials and terms are exchanged in brief and copy alike.

## Training and cost
`{command}`: {facts.steps:,} steps, {facts.tokens:,} tokens (padding included), {facts.minutes:.0f} minutes on {facts.machine}.{stage}
The loss is on the answers only. Tokenizer: byte-level BPE of {facts.vocabulary:,} tokens from the same data.
The same command trains on a GPU, where the same hours see many more tokens; what that would gain is not measured.

## Figures
Held-out records under made-up names, temperature 0.3, top_p 0.9, the engine's constraints off unless said; in brackets what 95 of 100
draws of the records give. Unless said, what the brief makes likelier counts for more (a guidance scale of {guidance}, which this product
reads from generation_config.json; plain transformers writes without). A cell by default: temperature 0.6, repetition penalty 1.15, no eight tokens twice.

| | |
|---|---|
{rows}

## Limits
- It says things that no brief told, in the manner of its data. Read every text before it is used.
- It knows shops, small services and public offices best, and no language but English.
- It cannot reason or answer questions; a voice in the system message changes little.
- Long texts lose their thread. The figures say how often it drops a fact, misses a length or repeats itself.

## Samples
{count} texts on held-out records and made-up subjects; seed 7, unedited, not selected.

{samples}"""
