"""transformers' `generate`, one job after the other: what a queue of tasks does.

With the word `together` all jobs that wait are one padded batch; they have equally many tokens.
"""

from __future__ import annotations

import sys
import time
from importlib.metadata import version

import torch
from transformers import AutoModelForCausalLM
from transformers.generation.streamers import BaseStreamer

from benchmarks.peers import work
from benchmarks.peers.places import model as place


class _Watch(BaseStreamer):
    """Notes when each token comes; the first call brings the prompt."""

    def __init__(self, job_ids: list[str]) -> None:
        self._job_ids = job_ids
        self._is_prompt = True
        self.tokens: list[work.Token] = []

    def put(self, value: torch.Tensor) -> None:
        """Take one token of each: (B,)."""
        if self._is_prompt:
            self._is_prompt = False
            return
        at = time.perf_counter()
        self.tokens += [
            work.Token(job_id, token, at)
            for job_id, token in zip(self._job_ids, value.tolist(), strict=True)
        ]

    def end(self) -> None:
        """Do nothing: the last token was there."""


class SerialTransformers:
    """Writes in the order in which jobs came."""

    def __init__(self, *, together: bool) -> None:
        self._together = together
        self._line: list[tuple[str, list[int], int]] = []

    def open(self, model: str, precision: str) -> dict[str, str]:
        """Load the model in fp32."""
        if precision != "fp32":
            raise ValueError(f"wanted fp32, got {precision}")
        torch.set_num_threads(work.THREADS)
        self._model = AutoModelForCausalLM.from_pretrained(place(model, "hf"), dtype=torch.float32)
        self._model.train(mode=False)
        return {"transformers": version("transformers"), "torch": torch.__version__}

    def add(self, job_id: str, prompt: list[int], new_tokens: int) -> None:
        """Put a job in the line."""
        self._line.append((job_id, prompt, new_tokens))

    @torch.inference_mode()
    def step(self) -> list[work.Token]:
        """Write whole answers."""
        count = len(self._line) if self._together else 1
        jobs, self._line = self._line[:count], self._line[count:]
        watch = _Watch([job_id for job_id, _, _ in jobs])
        ids = torch.tensor([prompt for _, prompt, _ in jobs])  # (B, T)
        new_tokens = jobs[0][2]
        self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new_tokens,
            min_new_tokens=new_tokens,
            do_sample=False,
            streamer=watch,
        )
        return watch.tokens

    def run(self, clients: list[list[list[work.Job]]]) -> dict[str, work.Track]:
        """Run the clients."""
        return work.drive(self, clients)

    def figures(self) -> dict[str, float]:
        """Tell nothing."""
        return {}


if __name__ == "__main__":
    work.serve(SerialTransformers(together="together" in sys.argv[1:]))
