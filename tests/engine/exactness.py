"""Compare an answer with the one of transformers: another token only where two were as good as equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from inferencecloud.engine import Request, Sampling
from inferencecloud.engine.prompt import PromptEncoder
from inferencecloud.engine.serial import Turn

TIED = 1e-4  # the two best scores of the reference may lie so near that rounding decides


@dataclass
class Reference:
    """Greedy answers of transformers in fp32."""

    folder: Path
    ties: int = 0
    _answers: dict[tuple[int, ...], list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder)
        self.model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32)
        self.encoder = PromptEncoder(self.tokenizer)

    def answer(self, prompt: Sequence[int], new_tokens: int) -> list[int]:
        """Return the ids that `generate` writes, without the end."""
        key = (*prompt, new_tokens)
        if key not in self._answers:
            ids = torch.tensor([list(prompt)])
            output = self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=new_tokens,
                do_sample=False,
            )
            answer = output[0, len(prompt) :].tolist()
            self._answers[key] = [i for i in answer if i != self.tokenizer.eos_token_id]
        return self._answers[key]

    def prompt(self, request: Request, texts: dict[str, str]) -> list[int]:
        """Return the prompt's ids; `texts` holds what the requests that it reads have written."""
        turns = []
        for message in request.messages:
            parts = [
                getattr(s, "text", None) or texts[getattr(s, "request_id", "")]
                for s in message.segments
            ]
            turns.append(Turn(message.role.value, "".join(parts)))
        return self.encoder.encode_chat(turns)

    def expect(self, prompt: Sequence[int], got: Sequence[int], new_tokens: int) -> None:
        """Assert that the answer is the reference's, up to a tie, which is counted."""
        wanted = self.answer(prompt, new_tokens)
        if list(got) == wanted:
            return
        same = next(
            (n for n, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b),
            min(len(got), len(wanted)),
        )
        with torch.inference_mode():
            ids = torch.tensor([[*prompt, *wanted[:same]]])
            best = self.model(ids).logits[0, -1].topk(2).values.tolist()
        assert best[0] - best[1] < TIED, f"after {same} tokens: {list(got)} is not {wanted}"
        self.ties += 1


def greedy(new_tokens: int) -> Sampling:
    """Return the sampling that the reference has."""
    return Sampling(max_new_tokens=new_tokens, guidance_scale=1.0)
