"""The jobs of the benchmark: token ids for the peers and the same as messages for ours."""

from __future__ import annotations

import random
from typing import Any

from transformers import AutoTokenizer

from benchmarks.engines.children import ADVICE, PeerFailed
from benchmarks.peers.places import STARTER
from benchmarks.peers.places import model as place
from benchmarks.peers.work import Job
from inferencecloud.engine.prompt import PromptEncoder

SENTENCES = (
    "warm light for desks and reading corners made of brushed steel in small series our customers "
    "write at night with friends who care about quiet rooms slow mornings fresh bread coffee and "
    "long walks every product tells a short story without big words we promise only what we keep"
)


class Writer:
    """Writes jobs for one model; the same seed gives the same texts."""

    def __init__(self, model: str) -> None:
        folder = place(model, "hf")
        if not folder.is_dir():
            raise PeerFailed(f"wanted the model {model} in {folder}, got none; {ADVICE}")
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._encoder = PromptEncoder(self._tokenizer)
        self._is_random = model != STARTER

    def text(self, tokens: int, dice: random.Random) -> str:
        """Return a text of so many tokens, with a space at its end."""
        if self._is_random:  # above the special ones
            size = len(self._tokenizer)
            return "".join(f"t{dice.randrange(4, size)} " for _ in range(tokens))
        text = ""
        while len(self._encoder.encode_text(text)) < tokens:
            text += dice.choice(SENTENCES.split()) + " "
        return text

    def job(self, key: str, texts: dict[str, list[str | set[str]]], new_tokens: int) -> Job:
        """Return a job.

        Args:
            key: Its id.
            texts: What each role says: texts, and in sets of one the jobs whose output stands there.
            new_tokens: How many tokens it writes.
        """
        said = list(texts.values())
        pieces: list[list[int] | str] = []
        for part in self._encoder.frame(list(texts)):
            if not isinstance(part, int):
                pieces.append(part)
                continue
            pieces += [
                self._encoder.encode_text(segment)
                if isinstance(segment, str)
                else next(iter(segment))
                for segment in said[part]
            ]
        return Job(id=key, pieces=pieces, new_tokens=new_tokens, messages=_messages(texts))


def _messages(texts: dict[str, list[str | set[str]]]) -> list[dict[str, Any]]:
    return [
        {
            "role": role,
            "segments": [
                segment if isinstance(segment, str) else {"output_of": next(iter(segment))}
                for segment in segments
            ],
        }
        for role, segments in texts.items()
    ]


def words_of(clients: list[list[list[Job]]]) -> list[list[list[dict[str, Any]]]]:
    """Return clients as they go over the line."""
    return [[[vars(job) for job in stage] for stage in stages] for stages in clients]


WARM_UP = [{"role": "user", "segments": ["t9 " * 64]}]  # the starter reads it as well
