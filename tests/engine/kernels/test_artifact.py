"""A quantized artifact: made from a model, verified like any, close to what it was made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.management import CommandError, call_command
from safetensors import safe_open
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import FileTampered, verify_artifact, write_manifest
from inferencecloud.artifacts.packed import (
    FILE_NAME,
    FORMAT,
    PackedMalformed,
    read_packed,
    write_packed,
)
from inferencecloud.engine.kernels import (
    NotQuantizable,
    PackedModel,
    is_packed,
    quantize_artifact,
    read_packed_model,
)

SIZES: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 88,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
}
MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=False)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES, tie_word_embeddings=True)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES, head_dim=24, tie_word_embeddings=True)),
}


def _saved(folder: Path, model: PreTrainedModel) -> Path:
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text("{}")
    write_manifest(folder, name="small", licence="none")
    return folder


@pytest.fixture(params=list(MODELS))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.manual_seed(3)
    model = MODELS[request.param]()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return _saved(tmp_path / "small", model)


def _unfused(packed: PackedModel) -> dict[str, Tensor]:
    """The weights under the names that transformers knows."""
    config = packed.config
    width = config["num_attention_heads"] * config.get("head_dim", 16)
    kv_width = config["num_key_value_heads"] * config.get("head_dim", 16)
    parts = {
        "qkv_proj": (("q_proj", "k_proj", "v_proj"), (width, kv_width, kv_width)),
        "gate_up_proj": (("gate_proj", "up_proj"), (88, 88)),
    }
    state = {name: tensor.float() for name, tensor in packed.tensors.items()}
    for name, layer in packed.layers.items():
        prefix, own = name.rpartition(".")[::2]
        names, sizes = parts.get(own, ((own,), (layer.shape.outputs,)))
        for part, weight in zip(names, layer.dequantize().split(sizes), strict=True):
            state[f"{prefix}.{part}.weight".lstrip(".")] = weight
        if layer.bias is not None:
            biases = layer.bias[: layer.shape.outputs].split(sizes)
            state |= {f"{prefix}.{n}.bias": bias for n, bias in zip(names, biases, strict=True)}
    if config["tie_word_embeddings"]:
        state["model.embed_tokens.weight"] = state["lm_head.weight"]
    return state


@pytest.mark.parametrize(("bits", "group", "error"), [(8, 64, 0.04), (4, 32, 0.4), (4, 64, 0.4)])
def test_a_quantized_model_says_nearly_the_same(
    source: Path, tmp_path: Path, bits: int, group: int, error: float
) -> None:
    made = quantize_artifact(source, tmp_path / "made", bits=bits, group=group)
    packed = read_packed_model(made.folder)
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        expected = model(ids).logits
        assert not model.load_state_dict(_unfused(packed), strict=False).unexpected_keys
        got = model(ids).logits
    assert 0 < (got - expected).norm() / expected.norm() < error


def test_the_artifact_describes_itself(source: Path, tmp_path: Path) -> None:
    before = verify_artifact(source).manifest
    made = quantize_artifact(source, tmp_path / "made", bits=4)
    assert verify_artifact(made.folder) == made
    assert (made.manifest.name, made.manifest.dtype) == ("small int4", "int4")
    assert made.manifest.parameters == before.parameters
    assert made.manifest.context_tokens == before.context_tokens
    assert "tokenizer.json" in made.manifest.files
    assert is_packed(made.folder)
    assert not is_packed(source)
    packed = read_packed_model(made.folder)
    assert packed.bits == 4
    assert packed.layers["lm_head"].bits == 8
    assert packed.layers["model.layers.1.mlp.gate_up_proj"].shape.is_gated
    assert list(tmp_path.glob("*.partial")) == []


def test_computing_reads_the_mapped_file(source: Path, tmp_path: Path, path: str) -> None:
    made = quantize_artifact(source, tmp_path / "made", bits=8)
    layer = read_packed_model(made.folder).layers["model.layers.0.mlp.down_proj"]
    x = torch.randn(3, 88)
    expected = torch.nn.functional.linear(x, layer.dequantize())
    assert (layer(x) - expected).norm() / expected.norm() < 0.02
    assert layer.panels.data_ptr() % 64 == 0


def test_without_us_no_loader_takes_it_for_plain_weights(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = quantize_artifact(source, tmp_path / "made", bits=8)
    monkeypatch.delitem(AUTO_QUANTIZATION_CONFIG_MAPPING, FORMAT, raising=False)
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        AutoModelForCausalLM.from_pretrained(made.folder)


def test_what_cannot_be_quantized_is_refused(tmp_path: Path) -> None:
    gpt2 = _saved(
        tmp_path / "gpt2",
        GPT2LMHeadModel(GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, n_positions=32)),
    )
    with pytest.raises(NotQuantizable, match="got GPT2LMHeadModel"):
        quantize_artifact(gpt2, tmp_path / "made", bits=8)
    gelu = LlamaForCausalLM(LlamaConfig(**SIZES, hidden_act="gelu"))
    with pytest.raises(NotQuantizable, match="got gelu"):
        quantize_artifact(_saved(tmp_path / "gelu", gelu), tmp_path / "made", bits=8)
    llama = _saved(tmp_path / "llama", MODELS["llama"]())
    quantize_artifact(llama, tmp_path / "made", bits=8)
    with pytest.raises(NotQuantizable, match="exists already"):
        quantize_artifact(llama, tmp_path / "made", bits=8)
    with pytest.raises(NotQuantizable, match="quantized already"):
        quantize_artifact(tmp_path / "made", tmp_path / "again", bits=8)
    (llama / "tokenizer.json").write_text("{ }")
    with pytest.raises(FileTampered):
        quantize_artifact(llama, tmp_path / "other", bits=8)


def test_layers_that_do_not_fit_their_tensors_are_refused(source: Path, tmp_path: Path) -> None:
    folder = quantize_artifact(source, tmp_path / "made", bits=8).folder
    packed = read_packed(folder / FILE_NAME)
    for fields in ({"bits": 8}, {**packed.layers["lm_head"], "inputs": 68, "group": 68}):
        layers = {**packed.layers, "lm_head": fields}
        write_packed(
            tmp_path / "wrong",
            type(packed)(
                bits=8, parameters=packed.parameters, layers=layers, tensors=packed.tensors
            ),
        )
        (tmp_path / "wrong").replace(folder / FILE_NAME)
        with pytest.raises(PackedMalformed, match="layers are wrong"):
            read_packed_model(folder)


def test_the_command_tells_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = _saved(tmp_path / "small", MODELS["llama"]())
    call_command("quantize", folder, tmp_path / "made", bits=8)
    assert "small int8: " in capsys.readouterr().out
    with safe_open(str(tmp_path / "made" / FILE_NAME), framework="pt") as file:
        assert file.metadata()["bits"] == "8"
    told = json.loads((tmp_path / "made" / "config.json").read_text())["quantization_config"]
    assert told == {"quant_method": "inferencecloud.packed", "bits": 8}
    with pytest.raises(CommandError, match="exists already"):
        call_command("quantize", folder, tmp_path / "made", bits=8)
    assert issubclass(NotQuantizable, ArtifactError)
