"""transformers' continuous batching, the engine behind `generate_batch`, with its sharing of prefixes."""

from __future__ import annotations

import time
from importlib.metadata import version

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from benchmarks.peers import work
from benchmarks.peers.places import model as place

PAGE_TOKENS = 32  # prefixes are shared in whole pages
SEQUENCES = 64  # at once
KEPT_TOKENS = 32 * 1024  # of keys and values: 1.5 GB for the shape of SmolLM2-135M


class ManagerEnded(Exception):
    """transformers' thread broke."""


class BatchingTransformers:
    """Hands jobs to the manager's thread and listens to its queue."""

    def open(self, model: str, precision: str) -> dict[str, str]:
        """Load the model in fp32."""
        if precision != "fp32":
            raise ValueError(f"wanted fp32, got {precision}")
        torch.set_num_threads(work.THREADS)
        loaded = AutoModelForCausalLM.from_pretrained(
            place(model, "hf"), dtype=torch.float32, attn_implementation="sdpa"
        )
        loaded.requires_grad_(requires_grad=False)
        settings = ContinuousBatchingConfig(
            page_size=PAGE_TOKENS,
            num_blocks=KEPT_TOKENS // PAGE_TOKENS,
            max_batch_tokens=512,
            max_requests_per_batch=SEQUENCES,
        )
        self._manager = loaded.init_continuous_batching(
            generation_config=GenerationConfig(do_sample=False, eos_token_id=-1),
            continuous_batching_config=settings,
        )
        self._manager.start()
        self._seen: dict[str, int] = {}
        return {"transformers": version("transformers"), "torch": torch.__version__}

    def add(self, job_id: str, prompt: list[int], new_tokens: int) -> None:
        """Hand a job over."""
        self._seen[job_id] = 0
        self._manager.add_request(
            prompt, request_id=job_id, max_new_tokens=new_tokens, streaming=True, eos_token_id=-1
        )

    def step(self) -> list[work.Token]:
        """Return the tokens that one output tells of."""
        output = self._manager.get_result(timeout=60)
        if output is None or output.error:
            raise ManagerEnded(output.error if output else "nothing came for 60 s")
        at = time.perf_counter()
        news = output.generated_tokens[self._seen[output.request_id] :]
        self._seen[output.request_id] += len(news)
        return [work.Token(output.request_id, int(token), at) for token in news]

    def run(self, clients: list[list[list[work.Job]]]) -> dict[str, work.Track]:
        """Run the clients."""
        return work.drive(self, clients)

    def figures(self) -> dict[str, float]:
        """Tell nothing."""
        return {}


if __name__ == "__main__":
    work.serve(BatchingTransformers())
