"""What keys and values of 8 bits cost and bring: scores beside those of float32, and the time of a step.

    python benchmarks/kv_bits.py [--quick] [--data FILE] [--only quality|pace]

On the model in models/starter, in float32 and with weights of 8 bits. Quality: product copy that the starter
was not trained on, each product's texts in one context; `nats` is the loss for a token of text, `kl` the mean
Kullback-Leibler divergence of the next token from that with keys and values in float32, `same` the share of
tokens after which both find the same one most likely. Pace: a step that writes one token for each of some
sequences, each after so many tokens, in rounds that alternate; medians.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from benchmarks.inside.record import commit  # noqa: E402
from inferencecloud.engine.config import block_bytes  # noqa: E402
from inferencecloud.engine.decoder import Batch, Decoder, forward  # noqa: E402
from inferencecloud.engine.kernels import BLOCK_TOKENS, BYTES, RaggedBatch, write_kv  # noqa: E402
from inferencecloud.engine.kernels.artifact import quantize_artifact, read_packed_model  # noqa: E402
from inferencecloud.engine.loading import Spelling, open_model, open_spelling  # noqa: E402
from inferencecloud.engine.memory import KvMemory  # noqa: E402
from inferencecloud.engine.reading import read_decoder, read_packed_decoder  # noqa: E402
from inferencecloud.engine.serial import Turn  # noqa: E402
from inferencecloud.training.products import read_products, split_products  # noqa: E402
from tests.servers import temporary_folder  # noqa: E402

STARTER = ROOT / "models" / "starter"
DATA = ROOT.parent / "shared" / "data" / "copy" / "products.jsonl"
RESULTS = ROOT / "benchmarks" / "results" / "kv_bits.json"
CONTEXT = 1024
KINDS = {"fp32": torch.float32, "int8": BYTES}
PLACES = [(sequences, context) for sequences in (8, 32) for context in (256, 512, 1023)]

Found = dict[str, list[float]]


def texts(spelling: Spelling, data: Path, count: int) -> Iterator[tuple[list[int], int]]:
    """Yield the ids of held-out products, and how many of them are the prompt's."""
    _, held_out = split_products(read_products(data))
    for product in held_out[:count]:
        copy = product.copy["long"]
        prompt = spelling.encoder.encode_chat(
            [Turn("user", f"Write a long description of:\nProduct: {copy.name}")]
        )
        answer = " ".join(each.text for each in product.copy.values())
        yield [*prompt, *spelling.encoder.encode_text(answer)][:CONTEXT], len(prompt)


def memory_of(decoder: Decoder, dtype: torch.dtype, blocks: int) -> KvMemory:
    """Return an empty memory."""
    return KvMemory(
        decoder.norm.weight,
        layers=len(decoder.layers),
        blocks=blocks,
        kv_heads=decoder.kv_heads,
        head_dim=decoder.head_dim,
        dtype=dtype,
    )


def batch_of(ids: Tensor, begin: int, end: int) -> Batch:
    """Return the tokens begin .. end of sequences of ids (S, end), each with blocks of its own."""
    sequences, most = len(ids), -(-end // BLOCK_TOKENS)
    tables = torch.arange(sequences * most, dtype=torch.int32).view(sequences, most)
    positions = torch.arange(begin, end)
    slots = tables[:, positions // BLOCK_TOKENS].long() * BLOCK_TOKENS + positions % BLOCK_TOKENS
    return Batch(
        token_ids=ids[:, begin:end].flatten(),
        positions=positions.repeat(sequences),
        ragged=RaggedBatch(
            query_start=torch.arange(sequences + 1, dtype=torch.int32) * (end - begin),
            context=torch.full((sequences,), end, dtype=torch.int32),
            block_tables=tables,
        ),
        slots=slots.flatten(),
        wanted=torch.arange(sequences * (end - begin)),
    )


def quality(decoder: Decoder, cases: list[tuple[list[int], int]]) -> dict[str, float]:
    """Return losses and divergence over all tokens of text."""
    sums = {"tokens": 0.0, "fp32": 0.0, "int8": 0.0, "kl": 0.0, "same": 0.0}
    for ids, prompt in cases:
        batch = batch_of(torch.tensor([ids]), 0, len(ids))
        told = torch.tensor(ids[prompt:])
        logs = {}
        for name, dtype in KINDS.items():
            logits = forward(decoder, batch, memory_of(decoder, dtype, CONTEXT // BLOCK_TOKENS))
            logs[name] = logits[prompt - 1 : -1].double().log_softmax(-1)
            sums[name] -= float(logs[name].gather(1, told[:, None]).sum())
        plain, small = logs["fp32"], logs["int8"]
        sums["kl"] += float((plain.exp() * (plain - small)).sum())
        sums["same"] += float((plain.argmax(1) == small.argmax(1)).sum())
        sums["tokens"] += len(told)
    count = sums.pop("tokens")
    means = {name: value / count for name, value in sums.items()}
    return {
        "tokens": count,
        "fp32_nats": means["fp32"],
        "int8_nats": means["int8"],
        "kl": means["kl"],
        "same": means["same"],
    }


def pace(decoder: Decoder, *, rounds: int, steps: int) -> Found:
    """Return milliseconds of a step, by kind of memory, sequences and tokens before."""
    found: Found = {}
    chance = torch.Generator().manual_seed(1)
    for sequences, context in PLACES:
        ids = torch.ones(sequences, context + 1, dtype=torch.long)
        batch = batch_of(ids, context, context + 1)
        blocks = batch.ragged.block_tables.numel()
        memories = {name: memory_of(decoder, dtype, blocks) for name, dtype in KINDS.items()}
        slots = torch.arange(blocks * BLOCK_TOKENS)
        row = torch.randn(len(slots), decoder.kv_heads, decoder.head_dim, generator=chance)
        for memory in memories.values():
            for k_cache, v_cache in memory.layers:
                write_kv(row, row, k_cache, v_cache=v_cache, slots=slots)
        for _ in range(rounds):
            for name, memory in memories.items():
                began = time.perf_counter()
                for _ in range(steps):
                    forward(decoder, batch, memory)
                passed = (time.perf_counter() - began) / steps * 1000
                found.setdefault(f"{name}_s{sequences}_c{context}_ms", []).append(passed)
    return found


def decoders(folder: Path) -> Iterator[tuple[str, Decoder]]:
    """Yield the starter in float32, and with weights of 8 bits."""
    yield "fp32", read_decoder(open_model(STARTER, device="cpu"), context_tokens=CONTEXT)
    quantize_artifact(STARTER, folder / "int8", bits=8)
    packed = read_packed_model(folder / "int8")
    yield "int8", read_packed_decoder(packed, context_tokens=CONTEXT)


def main() -> None:
    """Measure and print; the last line is for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="little of all: does it run?")
    parser.add_argument("--data", type=Path, default=DATA, help="the product records")
    parser.add_argument("--only", choices=("quality", "pace"), help="one part alone")
    arguments = parser.parse_args()
    is_quick = arguments.quick
    figures: dict[str, float] = {}
    rounds: Found = {}
    with temporary_folder() as folder, torch.inference_mode():
        cases = list(texts(open_spelling(STARTER), arguments.data, 2 if is_quick else 40))
        for weights, decoder in decoders(folder):
            sizes = {name: block_bytes(decoder, dtype) for name, dtype in KINDS.items()}
            figures["blocks_int8_vs_fp32"] = sizes["fp32"] / sizes["int8"]
            if arguments.only != "pace":
                measured = quality(decoder, cases)
                figures |= {f"w_{weights}_{name}": value for name, value in measured.items()}
            if arguments.only != "quality":
                paces = pace(decoder, rounds=2 if is_quick else 9, steps=2 if is_quick else 10)
                rounds |= {f"w_{weights}_{name}": each for name, each in paces.items()}
    figures |= {name: statistics.median(each) for name, each in rounds.items()}
    for name, value in figures.items():
        print(f"{name:30} {value:.6g}")
    if not is_quick:
        keep(figures, rounds)
    print(json.dumps({"benchmark": "kv_bits", "figures": figures}))


def keep(figures: dict[str, float], rounds: Found) -> None:
    """Add the figures, and the rounds behind them, to what was kept; with the commit that they belong to."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    about = {
        "commit": commit(),
        "cpus": os.cpu_count(),
        "figures": {**kept.get("figures", {}), **figures},
        "rounds": {**kept.get("rounds", {}), **rounds},
    }
    RESULTS.write_text(json.dumps(about) + "\n")


if __name__ == "__main__":
    main()
