"""Make a quantized artifact of a model, and read one: the weights are laid out for the machine, and mapped.

Queries, keys and values become one layer, gate and up another; where the model's head is its embedding, the
head serves as both. The head always has 8 bits: it decides between words, and 4 bits cost it most.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import Artifact, verify_artifact, write_manifest
from inferencecloud.artifacts.packed import (
    FILE_NAME,
    PackedFile,
    PackedMalformed,
    read_packed,
    write_packed,
)
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels.linear import LinearShape, PackedLinear, pack
from inferencecloud.engine.kernels.quantized import quantize

ARCHITECTURES = frozenset(
    {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"}
)
EMBEDDING, HEAD = "model.embed_tokens", "lm_head"

# What becomes one layer: its name and its parts, after the layer's own prefix.
_FUSED = {
    "self_attn.qkv_proj": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attn.o_proj": ("self_attn.o_proj",),
    "mlp.gate_up_proj": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down_proj": ("mlp.down_proj",),
}


class NotQuantizable(ArtifactError):
    """The model is of a kind whose layers we do not know."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"The model {name} cannot be quantized: {problem}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedModel:
    """A quantized artifact in memory; the tensors are views of the mapped file."""

    bits: int
    config: Mapping[str, Any]  # config.json
    layers: Mapping[str, PackedLinear]  # "model.layers.0.self_attn.qkv_proj" and so on; HEAD
    tensors: Mapping[str, Tensor]  # norms, and the embedding where it is not the head


def quantize_artifact(source: Path, target: Path, *, bits: int, group: int = 64) -> Artifact:
    """Write the model in `source` with weights of 8 or 4 bits to `target`, which must not exist yet.

    Args:
        source: A verified artifact.
        target: The new folder; it appears when it is complete.
        bits: 8 or 4.
        group: Inputs that share a scale with 4 bits: 32 or 64.

    Raises:
        ArtifactError: The source is not what its manifest says, or of a kind that we do not know.
        InvalidKernelInput: The bits, the group, or a width of the model is not supported.
    """
    artifact = verify_artifact(source)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    _require_known(artifact, config)
    if target.exists():
        raise NotQuantizable(artifact.manifest.name, f"{target} exists already")
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    weights = _Weights(source)
    layers = dict(_packed_layers(weights, config, bits=bits, group=group))
    tensors = {name: weights.read(name) for name in weights.left() if name != f"{HEAD}.weight"}
    for name, layer in layers.items():
        tensors |= {f"{name}.{part}": tensor for part, tensor in layer.to_tensors().items()}
    packed = PackedFile(
        bits=bits,
        parameters=artifact.manifest.parameters,
        layers={name: asdict(layer.shape) for name, layer in layers.items()},
        tensors=tensors,
    )
    write_packed(partial / FILE_NAME, packed)
    _write_rest(artifact, partial, config={**config, "quantization_config": _told(bits, group)})
    write_manifest(
        partial, name=f"{artifact.manifest.name} int{bits}", licence=artifact.manifest.licence
    )
    partial.rename(target)
    return verify_artifact(target)


def is_packed(folder: Path) -> bool:
    """Tell whether the artifact is a quantized one of ours."""
    return (folder / FILE_NAME).is_file()


def read_packed_model(folder: Path) -> PackedModel:
    """Return the quantized artifact, its weights mapped; the caller has verified it.

    Raises:
        ArtifactError: The file of the weights cannot be used.
    """
    packed = read_packed(folder / FILE_NAME)
    own = dict(packed.tensors)
    layers = {}
    try:
        for name, fields in packed.layers.items():
            parts = {
                part: own.pop(f"{name}.{part}")
                for part in ("panels", "row_scale", "bias")
                if f"{name}.{part}" in own
            }
            layers[name] = PackedLinear.from_tensors(parts, LinearShape(**fields))
    except (EngineError, TypeError, ValueError, ZeroDivisionError) as error:
        raise PackedMalformed(folder / FILE_NAME, f"its layers are wrong ({error})") from error
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return PackedModel(bits=packed.bits, config=config, layers=layers, tensors=own)


class _Weights:
    """The tensors of a model by name, whichever file they are in; remembers which were asked for."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, Any] = {}  # Any: safetensors' handle has no type
        self._taken: set[str] = set()
        for path in sorted(folder.glob("*.safetensors")):
            handle: Any = safe_open(str(path), framework="pt")
            self._files |= dict.fromkeys(handle.keys(), handle)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def take(self, name: str) -> Tensor:
        self._taken.add(name)
        return self.read(name).float()

    def read(self, name: str) -> Tensor:
        return self._files[name].get_tensor(name)

    def left(self) -> list[str]:
        return sorted(set(self._files) - self._taken)


def _packed_layers(
    weights: _Weights, config: Mapping[str, Any], *, bits: int, group: int
) -> Iterator[tuple[str, PackedLinear]]:
    for i in range(config["num_hidden_layers"]):
        for name, parts in _FUSED.items():
            prefix = f"model.layers.{i}."
            weight = torch.cat([weights.take(f"{prefix}{part}.weight") for part in parts])
            codes = quantize(weight, bits=bits, group=group)
            bias = _bias(weights, [f"{prefix}{part}" for part in parts])
            yield f"{prefix}{name}", pack(codes, bias, is_gated=name == "mlp.gate_up_proj")
    head = f"{HEAD}.weight"
    if config.get("tie_word_embeddings", False) or head not in weights:
        head = f"{EMBEDDING}.weight"
    yield HEAD, pack(quantize(weights.take(head), bits=8))


def _bias(weights: _Weights, parts: list[str]) -> Tensor | None:
    if not any(f"{part}.bias" in weights for part in parts):
        return None
    return torch.cat([weights.take(f"{part}.bias") for part in parts])


def _require_known(artifact: Artifact, config: Mapping[str, Any]) -> None:
    name, architecture = artifact.manifest.name, artifact.manifest.architecture
    if architecture not in ARCHITECTURES:
        raise NotQuantizable(name, f"wanted one of {sorted(ARCHITECTURES)}, got {architecture}")
    if config.get("hidden_act") != "silu":
        raise NotQuantizable(name, f"wanted the activation silu, got {config.get('hidden_act')}")
    if "quantization_config" in config:
        raise NotQuantizable(name, "it is quantized already")


def _told(bits: int, group: int) -> dict[str, Any]:
    """What config.json says, so that no other loader takes the file for plain weights."""
    about = {"quant_method": "inferencecloud.packed", "bits": bits}
    return {**about, "group": group} if bits == 4 else about


def _write_rest(artifact: Artifact, target: Path, *, config: Mapping[str, Any]) -> None:
    for name in artifact.manifest.files:
        if not name.endswith((".safetensors", ".safetensors.index.json")) and name != "config.json":
            shutil.copyfile(artifact.folder / name, target / name)
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (target / "config.json").write_text(text, encoding="utf-8")
