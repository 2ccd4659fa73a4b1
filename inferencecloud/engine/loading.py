"""Open an artifact: how it spells texts, and the model as transformers reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from inferencecloud.engine.prompt import PromptEncoder
from inferencecloud.engine.requests import MAX_GUIDANCE_SCALE, NO_GUIDANCE, InvalidSampling
from inferencecloud.engine.vocabulary import Vocabulary

# In generation_config.json; transformers keeps it, and does not act on it.
GUIDANCE_KEY = "guidance_against_silence"

# A bar would fill a log that nobody watches.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a model spells: texts to ids and back, and what ends an answer."""

    encoder: PromptEncoder
    vocabulary: Vocabulary

    @property
    def end_ids(self) -> frozenset[int]:
        """Return the ids that end an answer."""
        return self.vocabulary.end_ids


def open_spelling(folder: Path) -> Spelling:
    """Return the spelling of a verified artifact.

    Raises:
        TokenizerUnsupported: Its tokenizer is not of the fast kind.
    """
    where = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(str(folder), **where)
    config = AutoConfig.from_pretrained(str(folder), **where)
    vocabulary = Vocabulary(
        tokenizer,
        size=config.get_text_config().vocab_size,
        end_ids=_end_ids(folder, config, tokenizer),
    )
    return Spelling(encoder=PromptEncoder(tokenizer), vocabulary=vocabulary)


def open_model(folder: Path, *, device: str, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """Return the model of a verified artifact; its type by default: fp32 on a CPU, else the weights' own."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        str(folder),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        # On CPUs without matrix units bf16 is slower than fp32, which holds every bf16 exactly.
        dtype=dtype or (torch.float32 if device == "cpu" else "auto"),
    )
    model.train(mode=False)
    model.requires_grad_(requires_grad=False)
    torch.nn.Module.to(model, device)  # transformers hides the signature behind a wrapper
    return model


def own_guidance_scale(folder: Path) -> float:
    """Return the scale that an artifact's generation settings ask for (`GUIDANCE_KEY`).

    Transformers' own `guidance_scale` means another prompt to guide against, and is not looked at.

    Raises:
        InvalidSampling: It is out of its range.
    """
    path = folder / "generation_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    scale = settings.get(GUIDANCE_KEY, NO_GUIDANCE)
    is_number = isinstance(scale, int | float) and not isinstance(scale, bool)
    if not is_number or not NO_GUIDANCE <= scale <= MAX_GUIDANCE_SCALE:
        wanted = f"{NO_GUIDANCE:g} to {MAX_GUIDANCE_SCALE:g} in generation_config.json"
        raise InvalidSampling(GUIDANCE_KEY, wanted, scale)
    return float(scale)


def _end_ids(
    folder: Path, config: Any, tokenizer: Any
) -> list[int]:  # Any: transformers has no types
    """Return every token that ends an answer, by the generation settings and the tokenizer."""
    if (folder / "generation_config.json").is_file():
        configured = GenerationConfig.from_pretrained(str(folder)).eos_token_id
    else:
        configured = config.get_text_config().eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return [int(i) for i in [*ids, tokenizer.eos_token_id] if i is not None]
