"""Adapters that do not fit: each is refused with what was wanted and what was got."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config

from inferencecloud.engine import (
    EngineError,
)
from inferencecloud.engine.adapters import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    AdapterMismatch,
    read_adapter,
)
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.reading import read_decoder
from tests.engine.conftest import KEY
from tests.engine.lora import adapting, write_adapter


@pytest.fixture(scope="module")
def engine(tiny_artifact: Path) -> Iterator[BatchingEngine]:
    with adapting(tiny_artifact, key=KEY) as made:
        yield made


CONFIGS = [
    ({"peft_type": "IA3"}, "wanted the peft_type LORA, got 'IA3'"),
    ({"r": 0}, "a rank r of at least 1, got 0"),
    ({"lora_alpha": "much"}, "a number as lora_alpha, got 'much'"),
    ({"target_modules": ["q_proj", "lm_head"]}, "wanted target_modules of q_proj"),
    ({"target_modules": "all-linear"}, "got 'all-linear'"),
    ({"use_dora": True}, "wanted no use_dora, got True"),
    ({"modules_to_save": ["lm_head"]}, "wanted no modules_to_save"),
    ({"rank_pattern": {"q_proj": 8}}, "wanted no rank_pattern"),
    ({"what_comes_next_year": 1}, "wanted no what_comes_next_year"),
    ({"bias": "all"}, "wanted the bias none, got 'all'"),
    ({"init_lora_weights": "pissa"}, "leave the model as it is, got 'pissa'"),
    ({"r": 8}, "wanted A and B of the rank 8 for layer 0's"),
    ({"target_modules": ["q_proj"]}, "which it has too much"),
]


@pytest.mark.parametrize(("config", "told"), CONFIGS)
def test_an_adapter_of_another_kind_is_refused(
    engine: BatchingEngine,
    tiny_artifact: Path,
    tmp_path: Path,
    config: dict[str, object],
    told: str,
) -> None:
    folder = write_adapter(tmp_path / "one", tiny_artifact, seed=1, **config)  # type: ignore[arg-type]
    with pytest.raises(AdapterMismatch, match="The adapter one cannot be used: ") as refusal:
        engine.load_adapter(folder, model=KEY, key="one")
    assert told in str(refusal.value)


def _spoil_a_file(folder: Path, how: str) -> None:
    match how:
        case "no config":
            (folder / CONFIG_NAME).unlink()
        case "no JSON":
            (folder / CONFIG_NAME).write_text("{")
        case "no weights":
            (folder / WEIGHTS_NAME).rename(folder / "adapter_model.bin")
        case "no safetensors":
            (folder / WEIGHTS_NAME).write_bytes(b"pickle")


def _spoil_a_tensor(folder: Path, how: str) -> None:
    tensors = load_file(folder / WEIGHTS_NAME)
    first = next(iter(tensors))
    match how:
        case "another name":
            tensors["base_model.model.lm_head.lora_A.weight"] = tensors.pop(first)
        case "no number":
            tensors[first] = tensors[first] * torch.nan
        case "half a pair":
            del tensors[first]
        case "another layer":
            tensors |= {
                name.replace(".layers.1.", ".layers.2."): each.clone()
                for name, each in tensors.items()
                if ".layers.1." in name
            }
        case "a layer less":
            tensors = {name: each for name, each in tensors.items() if ".layers.1." not in name}
        case "another width":
            tensors = {
                name: each[:, :-1].contiguous() if "A" in name else each
                for name, each in tensors.items()
            }
    save_file(tensors, folder / WEIGHTS_NAME)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("no config", "wanted the file adapter_config.json, got none"),
        ("no JSON", "adapter_config.json is no JSON"),
        ("no weights", "wanted the file adapter_model.safetensors, got none"),
        ("no safetensors", "is no safetensors file"),
        ("another name", "got base_model.model.lm_head.lora_A.weight"),
        ("no number", "wanted a matrix of finite numbers"),
        ("half a pair", "wanted A and B of the rank 4"),
        ("another layer", "of layer 2's down_proj which it has too much"),
        ("a layer less", "of layer 1's down_proj got none"),
        (
            "another width",
            "wanted 64 inputs and 64 outputs for layer 0's q_proj, as the model has, got 63",
        ),
    ],
)
def test_a_folder_that_is_no_adapter_of_the_model_is_refused(
    engine: BatchingEngine, tiny_artifact: Path, tmp_path: Path, how: str, told: str
) -> None:
    folder = write_adapter(tmp_path / "one", tiny_artifact, seed=1)
    (_spoil_a_file if how.startswith("no ") and how != "no number" else _spoil_a_tensor)(
        folder, how
    )
    with pytest.raises(AdapterMismatch) as refusal:
        engine.load_adapter(folder, model=KEY, key="one")
    assert told in str(refusal.value)


def test_a_model_without_gates_takes_none(tiny_artifact: Path, tmp_path: Path) -> None:
    config = GPT2Config(
        vocab_size=97, n_embd=32, n_layer=1, n_head=4, bos_token_id=1, eos_token_id=2
    )
    decoder = read_decoder(AutoModelForCausalLM.from_config(config), context_tokens=64)
    folder = write_adapter(tmp_path / "one", tiny_artifact, seed=1)
    with pytest.raises(AdapterMismatch, match="got one without gates"):
        read_adapter(folder, decoder, key="one", model="gpt2")


def test_every_refusal_is_one_of_the_engine() -> None:
    assert issubclass(AdapterMismatch, EngineError)
