"""Open an artifact: the model as transformers reads it, its tokenizer, and what ends an answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from inferencecloud.engine.prompt import PromptEncoder
from inferencecloud.engine.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedModel:
    """A model in memory, ready to be computed with."""

    model: PreTrainedModel
    encoder: PromptEncoder
    vocabulary: Vocabulary
    end_ids: frozenset[int]  # the tokens that end an answer


def open_model(folder: Path, *, device: str, dtype: torch.dtype | None = None) -> OpenedModel:
    """Read a verified artifact; without a type, fp32 on a CPU and the weights' own type elsewhere."""
    tokenizer = AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    model = AutoModelForCausalLM.from_pretrained(
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
    end_ids = _end_ids(model, tokenizer)
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    return OpenedModel(
        model=model,
        encoder=PromptEncoder(tokenizer),
        vocabulary=Vocabulary(tokenizer, size=len(head.weight), end_ids=end_ids),
        end_ids=end_ids,
    )


def _end_ids(
    model: PreTrainedModel, tokenizer: Any
) -> frozenset[int]:  # Any: transformers has no types
    """Return every token that ends an answer, by the generation settings and the tokenizer."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(int(i) for i in [*ids, tokenizer.eos_token_id] if i is not None)
