"""Which files of somebody's folder make a model, and whether they are what they say.

Only what stands in the list below is ever taken: weights as safetensors, settings as JSON, the tokenizer,
the chat template, licence and card. Pickles and code stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from inferencecloud.artifacts.errors import ArtifactError

INDEX = "model.safetensors.index.json"
PACKED_FILE = "packed.safetensors"  # of `packed`, which needs torch to read it
_WHOLE = frozenset({"model.safetensors", PACKED_FILE})
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
_PICKLE = re.compile(r".*\.(bin|ckpt|pickle|pkl|pt|pth)", re.IGNORECASE)
_SETTINGS = frozenset(
    {
        "config.json", "generation_config.json",
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "merges.txt",
        "chat_template.jinja", "chat_template.json", "README.md",
    }
)  # fmt: skip
_TERMS = re.compile(r"(LICEN[CS]E|NOTICE|USE_POLICY|TERMS)[\w.-]*", re.IGNORECASE)
_TERMS_ENDINGS = ("", ".md", ".txt")


class NotAModel(ArtifactError):
    """The files do not make a model that can be loaded here."""


class WeightsDamaged(ArtifactError):
    """A safetensors file is not one, or ends too early."""

    def __init__(self, name: str, problem: object) -> None:
        super().__init__(
            f"Wanted weights in {name}, but it is no sound safetensors file: {problem}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What is taken of a folder."""

    names: tuple[str, ...]
    left: int  # how many files stay where they are


def choose(names: Iterable[str]) -> Chosen:
    """Return the files that make the model.

    Raises:
        NotAModel: There are no settings, or no weights as safetensors.
    """
    everything = sorted(set(names))
    taken = [name for name in everything if name in _SETTINGS or _is_terms(name)]
    if "config.json" not in taken:
        raise NotAModel("Wanted a model, but there is no config.json.")
    taken += _weights(everything)
    return Chosen(names=tuple(sorted(taken)), left=len(everything) - len(taken))


def _is_terms(name: str) -> bool:
    ending = Path(name).suffix.lower()
    return bool(_TERMS.fullmatch(name)) and ending in _TERMS_ENDINGS


def _weights(names: list[str]) -> list[str]:
    whole = [name for name in names if name in _WHOLE]
    if whole:
        return whole
    shards = [name for name in names if _SHARD.fullmatch(name)]
    if shards and INDEX in names:
        return [*shards, INDEX]
    if shards:
        raise NotAModel(
            f"The weights are in {len(shards)} files, but their list {INDEX} is missing."
        )
    if any(_PICKLE.fullmatch(name) for name in names):
        raise NotAModel(
            "The weights are there only as pickles (.bin, .pt), which can carry programs and are never "
            "opened here. Look for an edition with safetensors files."
        )
    if "adapter_model.safetensors" in names:
        raise NotAModel(
            "This is an adapter (LoRA), not a model: it needs the model that it was made for."
        )
    raise NotAModel(
        "There are no weights: wanted model.safetensors, or model-00001-of-….safetensors."
    )


def refuse_code(*settings: Mapping[str, Any]) -> None:
    """Raise NotAModel where config.json or tokenizer_config.json asks for code of the model itself."""
    if any("auto_map" in one for one in settings):
        raise NotAModel(
            "This model needs program code of its own (“trust_remote_code”). Code from a model is never "
            "run here. Look for an edition that works without it."
        )


def check_weights(path: Path) -> None:
    """Read the header; raise WeightsDamaged unless every tensor it names lies in the file."""
    try:
        with safe_open(str(path), framework="np") as weights:
            is_empty = not list(weights.keys())
    except (SafetensorError, OSError) as error:
        raise WeightsDamaged(path.name, error) from error
    if is_empty:
        raise WeightsDamaged(path.name, "there is no tensor in it")
