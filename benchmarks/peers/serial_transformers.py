"""transformers' `generate`, one job after the other: what a queue of tasks does."""

from __future__ import annotations

import time
from collections import deque
from importlib.metadata import version

import torch
from transformers import AutoModelForCausalLM
from transformers.generation.streamers import BaseStreamer

from benchmarks.peers import work
from benchmarks.peers.places import model as place


class _Watch(BaseStreamer):
    """Notes when each token comes; the first call brings the prompt."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._is_prompt = True
        self.tokens: list[work.Token] = []

    def put(self, value: torch.Tensor) -> None:
        """Take one token."""
        if self._is_prompt:
            self._is_prompt = False
            return
        self.tokens.append(work.Token(self._job_id, int(value[0]), time.perf_counter()))

    def end(self) -> None:
        """Do nothing: the last token was there."""


class SerialTransformers:
    """Writes in the order in which jobs came."""

    def __init__(self) -> None:
        self._line: deque[tuple[str, list[int], int]] = deque()

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
        """Write a whole answer."""
        job_id, prompt, new_tokens = self._line.popleft()
        watch = _Watch(job_id)
        ids = torch.tensor([prompt])
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
    work.serve(SerialTransformers())
