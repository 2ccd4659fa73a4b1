"""Which kinds of models run here, and how: told from a model's configuration, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROPE_FAMILIES = frozenset({"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"})
_NATIVE = ROPE_FAMILIES | {"gpt2"}
_WRITERS = ("ForCausalLM", "LMHeadModel")  # how the architectures end that continue a text


class Form(StrEnum):
    """How a model runs."""

    NATIVE = "native"  # the fast forward pass of `decoder`
    TRANSFORMERS = "transformers"  # plain transformers: slowly, and without adapters
    NONE = "none"  # not at all


def form_of(config: Mapping[str, Any]) -> Form:
    """Return how a model of the configuration (config.json) runs."""
    architectures = config.get("architectures") or [""]
    if not str(architectures[0]).endswith(_WRITERS):
        return Form.NONE
    kind = str(config.get("model_type", ""))
    if kind in _NATIVE:
        return Form.NATIVE
    return Form.TRANSFORMERS if kind in _known_to_transformers() else Form.NONE


def _known_to_transformers() -> set[str]:
    """Return the kinds that the installed transformers has code for; importing it would load torch."""
    found = find_spec("transformers")
    places = [] if found is None else found.submodule_search_locations or []
    return {
        folder.name
        for place in places
        for folder in (Path(place) / "models").iterdir()
        if (folder / f"modeling_{folder.name}.py").is_file()
    }


def kv_bytes_per_token(config: Mapping[str, Any]) -> int:
    """Return what a model remembers of one token (keys and values of all layers, in fp32); 0: unknown."""
    layers = _number(config, "num_hidden_layers", "n_layer")
    heads = _number(config, "num_attention_heads", "n_head")
    width = _number(config, "hidden_size", "n_embd")
    kv_heads = _number(config, "num_key_value_heads") or heads
    head_dim = _number(config, "head_dim") or (width // heads if heads else 0)
    return 2 * layers * kv_heads * head_dim * 4


def context_of(config: Mapping[str, Any]) -> int:
    """Return how many tokens a model can read and write in all, by its configuration; 0: unknown."""
    return _number(config, "max_position_embeddings", "n_positions")


def _number(config: Mapping[str, Any], *names: str) -> int:
    found = next((config[name] for name in names if config.get(name)), 0)
    return found if isinstance(found, int) and found > 0 else 0
