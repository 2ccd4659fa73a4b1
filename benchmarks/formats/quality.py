"""What a format costs in quality: perplexity and divergence on the starter's held-out products.

The answers of exercises on products that the starter never saw are read token by token in each format. Chance
is a function of each record, so every format reads the same. Intervals are of the bootstrap over records
(Efron 1979), for texts on one product are alike; ratios to fp32 are of the same resampled records.

Shapes: R records, A tokens of an answer, V vocabulary.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inferencecloud.engine.blocks import BLOCK_TOKENS
from inferencecloud.engine.decoder import Batch, Decoder, forward
from inferencecloud.engine.kernels import RaggedBatch, quantize_artifact, read_packed_model
from inferencecloud.engine.loading import open_model
from inferencecloud.engine.memory import KvMemory
from inferencecloud.engine.reading import read_decoder, read_packed_decoder
from inferencecloud.training.generator.records import product_exercise
from inferencecloud.training.products import read_products, split_products
from inferencecloud.training.tokens import encode_exercise, load_tokenizer

CONTEXT_TOKENS = 1024
FORMATS = {"int8": (8, 64), "int4_g64": (4, 64), "int4_g32": (4, 32)}  # bits, inputs to a scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is read."""

    records: int | None  # None: all that were held out
    exercises: int  # on each of them
    resamples: int = 5000
    seed: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exercise:
    record: int
    ids: list[int]
    prompt: int  # how many of them are the prompt


def run(plan: Plan, *, model: Path, data: Path, scratch: Path) -> dict[str, dict[str, float]]:
    """Return the figures of each format."""
    exercises = _exercises(plan, model, data)
    decoders: dict[str, Callable[[], Decoder]] = {"bf16": lambda: _plain(model, torch.bfloat16)}
    sizes = {"fp32": _megabytes(model) * 2, "bf16": _megabytes(model)}
    for name, (bits, group) in FORMATS.items():
        made = quantize_artifact(model, scratch / name, bits=bits, group=group).folder
        sizes[name] = _megabytes(made)
        decoders[name] = lambda folder=made: read_packed_decoder(
            read_packed_model(folder), context_tokens=CONTEXT_TOKENS
        )
    exact = _plain(model, torch.float32)
    wanted = [_scores(exact, each) for each in exercises]
    found = {name: _sums(exercises, wanted, made()) for name, made in decoders.items()}
    base = _sums(exercises, wanted, exact)
    return {
        name: {"megabytes": sizes[name], **_figures(sums, base, plan)}
        for name, sums in {"fp32": base, **found}.items()
    }


def _exercises(plan: Plan, model: Path, data: Path) -> list[_Exercise]:
    _, held_out = split_products(read_products(data))
    tokenizer = load_tokenizer(model)
    made = []
    for record, product in enumerate(held_out[: plan.records]):
        chance = random.Random(f"{plan.seed}:{product.digest}")  # noqa: S311 - no secret
        for _ in range(plan.exercises):
            ids, prompt = encode_exercise(tokenizer, product_exercise(chance, product))
            made.append(_Exercise(record=record, ids=ids[:CONTEXT_TOKENS], prompt=prompt))
    return [each for each in made if each.prompt < len(each.ids)]


def _plain(model: Path, dtype: torch.dtype) -> Decoder:
    return read_decoder(open_model(model, device="cpu", dtype=dtype), context_tokens=CONTEXT_TOKENS)


@torch.inference_mode()
def _scores(decoder: Decoder, exercise: _Exercise) -> Tensor:
    """Return log-probabilities (A, V) float32 before each token of the answer."""
    tokens = len(exercise.ids) - 1  # nothing follows the last
    blocks = -(-tokens // BLOCK_TOKENS)
    memory = KvMemory(
        decoder.norm.weight,
        layers=len(decoder.layers),
        blocks=blocks,
        kv_heads=decoder.kv_heads,
        head_dim=decoder.head_dim,
    )
    batch = Batch(
        token_ids=torch.tensor(exercise.ids[:-1]),
        positions=torch.arange(tokens),
        ragged=RaggedBatch(
            query_start=torch.tensor([0, tokens], dtype=torch.int32),
            context=torch.tensor([tokens], dtype=torch.int32),
            block_tables=torch.arange(blocks, dtype=torch.int32)[None],
        ),
        slots=torch.arange(tokens),
        wanted=torch.arange(exercise.prompt - 1, tokens),
    )
    return forward(decoder, batch, memory).log_softmax(dim=1)


def _sums(exercises: Sequence[_Exercise], wanted: Sequence[Tensor], decoder: Decoder) -> np.ndarray:
    """Return (R, 4): nats, divergence from fp32, tokens of the same first choice, and tokens."""
    sums = np.zeros((1 + max(each.record for each in exercises), 4))
    for exercise, exact in zip(exercises, wanted, strict=True):
        got = _scores(decoder, exercise)
        answer = torch.tensor(exercise.ids[exercise.prompt :])
        nats = -got.gather(1, answer[:, None]).sum()
        divergence = (exact.exp() * (exact - got)).sum()
        agreeing = (exact.argmax(dim=1) == got.argmax(dim=1)).sum()
        sums[exercise.record] += [nats.item(), divergence.item(), agreeing.item(), len(answer)]
    return sums


def _figures(sums: np.ndarray, base: np.ndarray, plan: Plan) -> dict[str, float]:
    """Return each figure with the ends of its interval of 95%."""
    records = len(sums)
    chosen = np.random.default_rng(plan.seed).integers(records, size=(plan.resamples, records))
    rows = np.vstack([np.arange(records)[None], chosen])  # the first is the sample itself
    nats, divergence, agreeing, tokens = sums[rows].sum(axis=1).T
    exact = base[rows].sum(axis=1).T[0]
    series = {
        "perplexity": np.exp(nats / tokens),
        "perplexity_ratio": np.exp((nats - exact) / tokens),
        "kl_nats": divergence / tokens,
        "same_first_choice": agreeing / tokens,
    }
    figures: dict[str, float] = {"records": records, "tokens": float(tokens[0])}
    for name, values in series.items():
        low, high = np.percentile(values[1:], (2.5, 97.5))
        figures |= {name: values[0], f"{name}_low": low, f"{name}_high": high}
    return figures


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
