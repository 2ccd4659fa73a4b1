"""Write adapters as PEFT writes them, and merge them into plain transformers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from inferencecloud.engine.adapters import CONFIG_NAME, TARGETS, WEIGHTS_NAME
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from tests.engine.exactness import Reference


@contextmanager
def adapting(model: Path, *, key: str) -> Iterator[BatchingEngine]:
    """Let an engine with room for two adapters have the model."""
    engine = BatchingEngine(BatchingConfig(threads=1, device="cpu", adapters_kept=2))
    try:
        engine.load(model, key=key)
        yield engine
    finally:
        engine.close()


def write_adapter(
    folder: Path,
    model: Path,
    *,
    seed: int,
    rank: int = 4,
    targets: tuple[str, ...] = TARGETS,
    size: float = 0.1,
    **config: Any,
) -> Path:
    """Write a random adapter for the model; `config` goes over what PEFT writes by default."""
    about = AutoConfig.from_pretrained(model)
    chance = torch.Generator().manual_seed(seed)
    head = about.head_dim
    queries, keys = about.num_attention_heads * head, about.num_key_value_heads * head
    width, inner = about.hidden_size, about.intermediate_size
    sizes = {  # outputs, inputs
        "q_proj": (queries, width),
        "k_proj": (keys, width),
        "v_proj": (keys, width),
        "o_proj": (width, queries),
        "gate_proj": (inner, width),
        "up_proj": (inner, width),
        "down_proj": (width, inner),
    }
    tensors = {}
    for number in range(about.num_hidden_layers):
        for target in targets:
            outputs, inputs = sizes[target]
            block = "self_attn" if target in TARGETS[:4] else "mlp"
            name = f"base_model.model.model.layers.{number}.{block}.{target}"
            a = torch.randn(rank, inputs, generator=chance) / math.sqrt(inputs)
            b = torch.randn(outputs, rank, generator=chance) * size
            tensors |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
    folder.mkdir(parents=True)
    save_file(tensors, folder / WEIGHTS_NAME)
    written = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": 2 * rank,
        "use_rslora": False,
        "target_modules": list(targets),
        "base_model_name_or_path": str(model),
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "lora_dropout": 0.05,
        "modules_to_save": None,
        "rank_pattern": {},
        "task_type": "CAUSAL_LM",
        "use_dora": False,
    }
    (folder / CONFIG_NAME).write_text(json.dumps(written | config))
    return folder


def merged(model: Path, adapter: Path | None) -> Reference:
    """Return transformers with W + s B A in place of W, fp32."""
    reference = Reference(model)
    if adapter is None:
        return reference
    config = json.loads((adapter / CONFIG_NAME).read_text())
    root = math.sqrt(config["r"]) if config["use_rslora"] else config["r"]
    tensors = load_file(adapter / WEIGHTS_NAME)
    weights = dict(reference.model.named_parameters())
    with torch.no_grad():
        for name, a in tensors.items():
            if ".lora_A." in name:
                b = tensors[name.replace(".lora_A.", ".lora_B.")]
                own = name.removeprefix("base_model.model.").replace(".lora_A.", ".")
                weights[own] += config["lora_alpha"] / root * (b @ a)
    return reference
