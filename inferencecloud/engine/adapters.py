"""Read low-rank adapters from the folders that PEFT writes, and keep the loaded ones of a model.

LoRA: Hu et al. 2021, arXiv:2106.09685; rank-stabilized scale: Kalajdzievski 2023, arXiv:2312.03732. How
adapters of several requests are computed in one batch stands in `kernels.low_rank`.

What is not known here to be computed exactly as PEFT computes it is refused, by name; of weights only
safetensors are read.
Shapes: I inputs, O outputs, r rank.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from inferencecloud.engine.decoder import Decoder, Layer
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels.low_rank import AdaptedLayer, LayerAdapters, LowRank, Part
from inferencecloud.engine.protocol import AdapterInfo
from inferencecloud.engine.serial import AdapterNotLoaded

CONFIG_NAME, WEIGHTS_NAME = "adapter_config.json", "adapter_model.safetensors"
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

_KEY = re.compile(
    r"base_model\.model\.model\.layers\.(\d+)"
    r"\.(?:self_attn\.(?=[qkvo])|mlp\.(?=[gud]))(\w+)\.lora_([AB])\.weight"
)
# What of the configuration is read, or changes nothing in what the adapter computes. All else must be unset.
_HARMLESS = frozenset(
    {
        *(
            "peft_type",
            "r",
            "lora_alpha",
            "use_rslora",
            "target_modules",
            "init_lora_weights",
            "bias",
        ),
        *("base_model_name_or_path", "revision", "task_type", "inference_mode", "lora_dropout"),
        *("auto_mapping", "peft_version", "exclude_modules", "megatron_core", "qalora_group_size"),
        *("eva_config", "runtime_config", "ensure_weight_tying"),
    }
)
# Other beginnings change the model's own weights in training, so the adapter fits the changed ones alone.
_BEGINNINGS = (None, True, False, "gaussian", "eva", "orthogonal")


class AdapterMismatch(EngineError):
    """A folder holds no adapter that the model can be given."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"The adapter {folder.name} cannot be used: {problem}.")


class AdapterKeyTaken(EngineError):
    """Another adapter is loaded under the key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"The key {key} belongs to another loaded adapter; unload that first.")


class AdaptersInUse(EngineError):
    """There is no room for another adapter."""

    def __init__(self, kept: int) -> None:
        super().__init__(
            f"Wanted room for one more than the {kept} adapters that are kept, but all are in use."
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Adapter:
    """A loaded adapter, laid out for the decoder that it was read for."""

    info: AdapterInfo
    layers: tuple[AdaptedLayer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """What the configuration says."""

    rank: int
    scale: float  # of B A x
    targets: frozenset[str]


class Shelf:
    """The loaded adapters of a model, the one asked for longest ago first; at most `kept`."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._adapters: dict[str, Adapter] = {}

    def list(self) -> list[AdapterInfo]:
        """Return what is loaded."""
        return [adapter.info for adapter in self._adapters.values()]

    def get(self, key: str) -> Adapter:
        """Return an adapter, which so becomes the last to go.

        Raises:
            AdapterNotLoaded: There is none under the key.
        """
        adapters = dict(self._adapters)  # replaced as a whole: any thread may look meanwhile
        adapter = adapters.pop(key, None)
        if adapter is None:
            raise AdapterNotLoaded(key, list(self._adapters))
        self._adapters = {**adapters, key: adapter}
        return adapter

    def put(self, adapter: Adapter, *, used: Iterable[Adapter | None]) -> AdapterInfo:
        """Take an adapter in; one that is not used makes room for it. The same again is free.

        Raises:
            AdapterKeyTaken: Another adapter has its key.
            AdaptersInUse: There is no room, and all are used.
        """
        key, adapters = adapter.info.key, dict(self._adapters)
        if key in adapters:
            if adapters[key].info.digest != adapter.info.digest:
                raise AdapterKeyTaken(key)
            return adapters[key].info
        busy = {each.info.key for each in used if each is not None}
        for other in [name for name in adapters if name not in busy]:
            if len(adapters) < self._kept:
                break
            del adapters[other]
        if len(adapters) >= self._kept:
            raise AdaptersInUse(self._kept)
        self._adapters = {**adapters, key: adapter}
        return adapter.info

    def remove(self, key: str) -> None:
        """Forget an adapter, if it is there."""
        self._adapters = {name: each for name, each in self._adapters.items() if name != key}


def read_adapter(folder: Path, decoder: Decoder, *, key: str, model: str) -> Adapter:
    """Return the adapter in a folder of PEFT's, for a decoder.

    Args:
        folder: It holds adapter_config.json and adapter_model.safetensors.
        decoder: The model that it was trained on.
        key: What requests call it.
        model: The model's key.

    Raises:
        AdapterMismatch: It is no LoRA adapter of the kind that is known, or does not fit the model.
    """
    if not decoder.layers[0].is_gated:
        raise AdapterMismatch(folder, "wanted a model of the Llama kind, got one without gates")
    config, weights = (_read(folder, name) for name in (CONFIG_NAME, WEIGHTS_NAME))
    settings = _settings(folder, config)
    pairs = _pairs(folder, weights, settings)
    layers = len(decoder.layers)
    wanted = {(number, target) for number in range(layers) for target in settings.targets}
    if set(pairs) != wanted:
        number, target = min(set(pairs) ^ wanted)
        was = "got none" if (number, target) in wanted else "which it has too much"
        raise AdapterMismatch(
            folder,
            f"wanted a pair for each of {', '.join(sorted(settings.targets))} in {layers} layers; of "
            f"layer {number}'s {target} {was}",
        )
    made = tuple(_layer(folder, decoder, number, pairs=pairs) for number in range(layers))
    info = AdapterInfo(
        key=key,
        model=model,
        digest=hashlib.sha256(hashlib.sha256(config).digest() + weights).hexdigest(),
        rank=settings.rank,
        targets=tuple(target for target in TARGETS if target in settings.targets),
        size_bytes=sum(pair.nbytes for layer in made for pair in layer if pair is not None),
    )
    return Adapter(info=info, layers=made)


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise AdapterMismatch(
            folder, f"wanted the file {name}, got none ({error.strerror})"
        ) from error


def _settings(folder: Path, raw: bytes) -> _Settings:
    try:
        config = json.loads(raw)
    except ValueError as error:
        raise AdapterMismatch(folder, f"{CONFIG_NAME} is no JSON ({error})") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        got = config.get("peft_type") if isinstance(config, dict) else config
        raise AdapterMismatch(folder, f"wanted the peft_type LORA, got {got!r}")
    _require_plain(folder, config)
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise AdapterMismatch(folder, f"wanted a rank r of at least 1, got {rank!r}")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise AdapterMismatch(folder, f"wanted a number as lora_alpha, got {alpha!r}")
    targets = config.get("target_modules")
    if not isinstance(targets, list) or not targets or not set(map(str, targets)) <= set(TARGETS):
        raise AdapterMismatch(
            folder, f"wanted target_modules of {', '.join(TARGETS)}, got {targets!r}"
        )
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return _Settings(rank=rank, scale=scale, targets=frozenset(targets))


def _require_plain(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse what would make the adapter compute something else."""
    for name, value in config.items():
        if name not in _HARMLESS and value:
            raise AdapterMismatch(folder, f"wanted no {name}, got {value!r}")
    if config.get("bias", "none") != "none":
        raise AdapterMismatch(folder, f"wanted the bias none, got {config['bias']!r}")
    beginning = config.get("init_lora_weights")
    if beginning not in _BEGINNINGS:
        raise AdapterMismatch(
            folder, f"wanted init_lora_weights that leave the model as it is, got {beginning!r}"
        )


def _pairs(
    folder: Path, raw: bytes, settings: _Settings
) -> dict[tuple[int, str], tuple[Tensor, Tensor]]:
    """Return A (r, I) and B (O, r), scaled, float32, by layer and target."""
    try:
        tensors = load(raw)
    except SafetensorError as error:
        raise AdapterMismatch(folder, f"{WEIGHTS_NAME} is no safetensors file ({error})") from error
    found: dict[tuple[int, str], dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = _KEY.fullmatch(name)
        if match is None or match[2] not in TARGETS:
            raise AdapterMismatch(
                folder,
                "wanted tensors like base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight, "
                f"got {name}",
            )
        if tensor.dim() != 2 or not tensor.is_floating_point() or not tensor.isfinite().all():
            raise AdapterMismatch(folder, f"wanted a matrix of finite numbers as {name}")
        found.setdefault((int(match[1]), match[2]), {})[match[3]] = tensor.float()
    pairs = {}
    for (number, target), sides in sorted(found.items(), key=lambda each: each[0]):
        a, b = sides.get("A"), sides.get("B")
        if a is None or b is None or a.shape[0] != settings.rank or b.shape[1] != settings.rank:
            shapes = {side: tuple(tensor.shape) for side, tensor in sides.items()}
            raise AdapterMismatch(
                folder,
                f"wanted A and B of the rank {settings.rank} for layer {number}'s {target}, got {shapes}",
            )
        pairs[number, target] = (a, b * settings.scale)
    return pairs


def _layer(
    folder: Path,
    decoder: Decoder,
    number: int,
    *,
    pairs: Mapping[tuple[int, str], tuple[Tensor, Tensor]],
) -> AdaptedLayer:
    """Return a layer's pairs as they lie in our fused products."""
    made: dict[str, LowRank] = {}
    layer = decoder.layers[number]
    for product, places in _places(decoder, layer).items():
        inputs = getattr(layer, product).size[1]
        parts = []
        for target, first, outputs in places:
            if (number, target) not in pairs:
                continue
            a, b = pairs[number, target]
            if (a.shape[1], b.shape[0]) != (inputs, outputs):
                raise AdapterMismatch(
                    folder,
                    f"wanted {inputs} inputs and {outputs} outputs for layer {number}'s {target}, as the "
                    f"model has, got {a.shape[1]} and {b.shape[0]}",
                )
            parts.append(Part(first, _placed(a, decoder), _placed(b, decoder)))
        if parts:
            made[product] = LowRank.of(parts)
    return AdaptedLayer(**made)


def _places(decoder: Decoder, layer: Layer) -> dict[str, tuple[tuple[str, int, int], ...]]:
    """Return of each product its parts: target, first output, outputs."""
    queries, keys = decoder.heads * decoder.head_dim, decoder.kv_heads * decoder.head_dim
    width, inner = layer.out.size[0], layer.down.size[1]
    return {
        "qkv": (
            ("q_proj", 0, queries),
            ("k_proj", queries, keys),
            ("v_proj", queries + keys, keys),
        ),
        "out": (("o_proj", 0, width),),
        "up": (("gate_proj", 0, inner), ("up_proj", inner, inner)),
        "down": (("down_proj", 0, width),),
    }


def _placed(tensor: Tensor, decoder: Decoder) -> Tensor:
    return tensor.to(device=decoder.device, dtype=decoder.dtype)


def adapters_of(
    owners: Iterable[tuple[Adapter | None, int]], *, device: torch.device
) -> tuple[LayerAdapters, ...] | None:
    """Return the adapters of a step, by layer of the decoder; None where no token has one.

    Args:
        owners: The adapter of each sequence, and how many tokens it has in the step.
        device: Where the step is computed.
    """
    known: dict[Adapter, int] = {}
    numbers: list[int] = []
    for adapter, tokens in owners:
        number = -1 if adapter is None else known.setdefault(adapter, len(known))
        numbers += [number] * tokens
    if not known:
        return None
    owner = torch.tensor(numbers, dtype=torch.int32, device=device)
    by_layer = zip(*(adapter.layers for adapter in known), strict=True)
    return tuple(LayerAdapters(owner=owner, adapters=layers) for layers in by_layer)
