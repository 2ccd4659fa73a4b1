"""Examine an artifact on held-out records: its loss, and what it writes through the engine."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.requests import NO_GUIDANCE, Message, Request, Role, Sampling, Text
from inferencecloud.evaluation import figures
from inferencecloud.training import heldout
from inferencecloud.training.corpus import Corpus, texts_of
from inferencecloud.training.generator.exercise import Exercise
from inferencecloud.training.products import RecordMalformed, TrainingDataMissing
from inferencecloud.training.tokens import encode_exercise, load_tokenizer

Refusals = (TrainingDataMissing, RecordMalformed)
SEED = 7
_KEY = "examined"
_X = 280
PLAIN = Sampling(temperature=0.3, top_p=0.9, seed=SEED, max_new_tokens=320)
# As a notebook's cell writes that nobody has set otherwise.
SERVED = replace(PLAIN, temperature=0.6, repetition_penalty=1.15, no_repeat_ngram_size=8)
UNGUIDED = replace(PLAIN, guidance_scale=NO_GUIDANCE)
# By its name another way to write, and whether the engine's constraints are on.
OTHERWISE = {"served": (SERVED, False), "helped": (SERVED, True), "unguided": (UNGUIDED, False)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured and shown."""

    products: int = 150
    posts: int = 100
    invented: int = 100
    samples: int = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A prompt, and what was written, unedited."""

    kind: str
    prompt: str
    text: str


@dataclass(slots=True, kw_only=True)
class Examination:
    """What was measured. Figures are shares, nats, bits and tokens per second, by their names."""

    figures: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, dict[str, float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain dictionaries."""
        return asdict(self)


class Writer:
    """Writes the answers to exercises with an artifact, through our engine."""

    def __init__(self, folder: Path, *, threads: int | None = None, device: str = "cpu") -> None:
        config = (
            BatchingConfig(device=device)
            if threads is None
            else BatchingConfig(device=device, threads=threads)
        )
        self._engine = BatchingEngine(config)
        self.info = self._engine.load(folder, key=_KEY)
        self.tokens, self.seconds = 0, 0.0

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def write(
        self,
        exercises: Sequence[Exercise],
        *,
        constrained: bool = False,
        sampling: Sampling | None = None,
    ) -> list[str]:
        """Return a text for each exercise.

        Args:
            exercises: What to write.
            constrained: The engine keeps forbidden words out and the length in, and asks for the facts.
            sampling: How to write; None: `PLAIN`.
        """
        base = sampling or PLAIN
        requests = [
            Request(
                id=str(place),
                model=_KEY,
                messages=tuple(
                    Message(Role(role), (Text(content),)) for role, content in exercise.messages
                ),
                sampling=_constrain(base, exercise) if constrained else base,
            )
            for place, exercise in enumerate(exercises)
        ]
        texts = [""] * len(requests)
        started = time.perf_counter()
        for delta in self._engine.submit(requests):
            texts[int(delta.request_id)] += delta.text
            self.tokens += len(delta.token_ids)
        self.seconds += time.perf_counter() - started
        return texts


def write_once(folder: Path, exercises: Sequence[Exercise]) -> list[str]:
    """Return what the artifact writes for the exercises; the engine ends with it."""
    writer = Writer(folder)
    try:
        return writer.write(exercises)
    finally:
        writer.close()


def _constrain(sampling: Sampling, exercise: Exercise) -> Sampling:
    return replace(
        sampling,
        required=exercise.facts,
        banned=exercise.avoid,
        length=exercise.limit,
        max_chars=_X if exercise.kind == "x" else None,
    )


def examine(
    folder: Path, corpus: Corpus, extent: Extent, *, threads: int | None = None
) -> Examination:
    """Return the figures of the artifact in the folder."""
    found = Examination()
    _measure_loss(found, folder, corpus=corpus, extent=extent)
    writer = Writer(folder, threads=threads)
    try:
        _measure_writing(found, writer, corpus=corpus, extent=extent)
    finally:
        writer.close()
    found.figures["memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def answer_nats(folder: Path, exercises: Sequence[Exercise]) -> list[tuple[float, int, int]]:
    """Return (nats of the answer, its tokens, its bytes) for each exercise, in fp32 through transformers."""
    tokenizer = load_tokenizer(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    context = int(model.config.max_position_embeddings)
    measured = []
    with torch.no_grad():
        for exercise in exercises:
            ids, prompt = encode_exercise(tokenizer, exercise)
            if len(ids) > context:
                continue
            scores = model(torch.tensor([ids])).logits[0, prompt - 1 : -1].log_softmax(-1)
            wanted = torch.tensor(ids[prompt:])
            nats = -scores.gather(1, wanted[:, None]).sum().item()
            measured.append((nats, len(wanted), len(exercise.completion.encode())))
    return measured


def _measure_loss(found: Examination, folder: Path, *, corpus: Corpus, extent: Extent) -> None:
    part = replace(
        corpus.held_out,
        products=corpus.held_out.products[: extent.products],
        posts=corpus.held_out.posts[: extent.posts],
    )
    measured = answer_nats(folder, heldout.loss_exercises(part, seed=SEED))
    tokens = [float(count) for _, count, _ in measured]
    sizes = [float(size) for _, _, size in measured]
    loss = figures.bootstrap([n / t for (n, _, _), t in zip(measured, tokens, strict=True)], tokens)
    bits = figures.bootstrap(
        [n / math.log(2) / s for (n, _, _), s in zip(measured, sizes, strict=True)], sizes
    )
    _keep(found, "loss", loss)
    _keep(found, "bits_per_byte", bits)
    found.counts["loss_exercises"] = len(measured)


def _measure_writing(found: Examination, writer: Writer, *, corpus: Corpus, extent: Extent) -> None:
    held_out = corpus.held_out
    written = {
        "facts": _write(writer, heldout.grounded(held_out, seed=SEED, count=extent.products)),
        "invented": _write(writer, heldout.invented(seed=SEED, count=extent.invented)),
        "posts": _write(writer, heldout.tried(held_out, seed=SEED, count=extent.posts)),
    }
    _measure_facts(found, written)
    _measure_helped_facts(found, writer, [exercise for exercise, _ in written["facts"]])
    _measure_wishes(found, writer, corpus=corpus, count=extent.products)
    _measure_variety(found, [text for _, text in written["facts"]], corpus)
    for name in OTHERWISE:
        _measure_otherwise(found, writer, name, corpus=corpus, extent=extent)
    found.figures["tokens_per_s_batched"] = writer.tokens / writer.seconds
    found.figures["tokens_per_s_alone"] = writer.info.decode_tokens_per_s
    shown = [pair for pairs in written.values() for pair in pairs]
    step = max(1, len(shown) // max(1, extent.samples))
    found.samples = [
        Sample(kind=exercise.kind, prompt=exercise.prompt, text=text)
        for exercise, text in shown[::step][: extent.samples]
    ]


def _write(writer: Writer, exercises: Sequence[Exercise]) -> list[tuple[Exercise, str]]:
    return list(zip(exercises, writer.write(exercises), strict=True))


def _measure_facts(found: Examination, written: dict[str, list[tuple[Exercise, str]]]) -> None:
    """Measure what of the brief stands in the texts, by where the briefs come from."""
    kept: dict[str, list[float]] = {}
    for name, pairs in written.items():
        wishes = heldout.asked([exercise for exercise, _ in pairs])
        kept[name] = [
            figures.facts_kept(text, wish)
            for (_, text), wish in zip(pairs, wishes, strict=True)
            if wish.facts
        ]
    _keep(found, "fact_keeping", figures.bootstrap(kept["facts"]))
    found.figures["all_facts_kept"] = figures.mean([share == 1.0 for share in kept["facts"]])
    found.figures["fact_keeping_invented"] = figures.mean(kept["invented"])
    found.figures["post_fact_keeping"] = figures.mean(kept["posts"])
    found.counts |= {
        "fact_keeping": len(kept["facts"]),
        "fact_keeping_invented": len(written["invented"]),
        "posts_tried": len(written["posts"]),
    }


def _measure_helped_facts(
    found: Examination, writer: Writer, exercises: Sequence[Exercise]
) -> None:
    """Measure facts once more, the engine told that they are to appear."""
    texts, wishes = writer.write(exercises, constrained=True), heldout.asked(exercises)
    kept = [figures.facts_kept(text, wish) for text, wish in zip(texts, wishes, strict=True)]
    found.figures["fact_keeping_constrained"] = figures.mean(kept)
    found.figures["all_facts_kept_constrained"] = figures.mean([share == 1.0 for share in kept])


def _measure_wishes(found: Examination, writer: Writer, *, corpus: Corpus, count: int) -> None:
    """Measure lengths and forbidden words, by the model alone and with the engine's help."""
    limited = heldout.limited(corpus.held_out, seed=SEED, count=count)
    forbidding = heldout.forbidding(corpus.held_out, seed=SEED, count=count)
    for name, exercises, figure in (
        ("length_obeyed", limited, figures.length_obeyed),
        ("avoid_words_absent", forbidding, figures.avoid_words_absent),
    ):
        wishes = heldout.asked(exercises)
        found.figures[name] = figure(writer.write(exercises), wishes)
        helped = writer.write(exercises, constrained=True)
        found.figures[f"{name}_constrained"] = figure(helped, wishes)
        found.counts[name] = len(exercises)


def _measure_otherwise(
    found: Examination, writer: Writer, name: str, *, corpus: Corpus, extent: Extent
) -> None:
    """Measure facts, wishes and variety once more, written in one of the `OTHERWISE` ways."""
    sampling, constrained = OTHERWISE[name]
    facts, limited, forbidding = (
        make(corpus.held_out, seed=SEED, count=extent.products)
        for make in (heldout.grounded, heldout.limited, heldout.forbidding)
    )
    texts, short, free = (
        writer.write(some, sampling=sampling, constrained=constrained)
        for some in (facts, limited, forbidding)
    )
    measured = {
        "fact_keeping": figures.fact_keeping(texts, heldout.asked(facts)),
        "length_obeyed": figures.length_obeyed(short, heldout.asked(limited)),
        "avoid_words_absent": figures.avoid_words_absent(free, heldout.asked(forbidding)),
        "copied_spans": figures.CopiedSpans(texts_of(corpus.train)).share(texts),
        "skeleton_repeats": figures.skeleton_repeats(texts),
        "distinct_2": figures.distinct_n(texts),
    }
    found.figures |= {f"{figure}_{name}": value for figure, value in measured.items()}


def _measure_variety(found: Examination, texts: Sequence[str], corpus: Corpus) -> None:
    people = [
        copy.text
        for p in corpus.held_out.products
        for key, copy in p.copy.items()
        if key in ("short", "mid", "head")
    ]
    words = sum(len(text.split()) for text in texts)
    known = figures.CopiedSpans(texts_of(corpus.train))
    found.figures["copied_spans"] = known.share(texts)
    found.figures["copied_spans_of_people"] = known.share(people)
    found.figures["skeleton_repeats"] = figures.skeleton_repeats(texts)
    found.figures["skeleton_repeats_of_people"] = figures.skeleton_repeats(people[: len(texts)])
    found.figures["distinct_2"] = figures.distinct_n(texts)
    _keep(found, "distinct_2_of_people", figures.distinct_range(people, words=words))


def _keep(found: Examination, name: str, interval: figures.Interval) -> None:
    found.figures[name] = interval.mean
    found.intervals[name] = {"low": interval.low, "high": interval.high}
