"""OpenVINO GenAI: its pipeline with continuous batching, paged attention and prefix caching."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import openvino
import openvino_genai

from benchmarks.peers import work
from benchmarks.peers.places import STARTER
from benchmarks.peers.places import model as place

CACHE_GB = 2
FORMS = {"fp32": "fp32", "int8": "int8", "w4": "int4"}


class OpenVino:
    """Takes token ids and steps."""

    def open(self, model: str, precision: str) -> dict[str, str]:
        """Load the exported model."""
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.cache_size = CACHE_GB
        scheduler.enable_prefix_caching = True
        scheduler.max_num_batched_tokens = 512
        properties: dict[str, Any] = {"INFERENCE_NUM_THREADS": work.THREADS}
        if precision == "fp32":
            properties["INFERENCE_PRECISION_HINT"] = "f32"  # or it computes in bfloat16
        folder = place(model, f"openvino-{FORMS[precision]}")
        # It wants a tokenizer although ids come and go; that of the starter is one that it can convert.
        tokenizer = openvino_genai.Tokenizer(place(STARTER, "openvino-fp32"))
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(
            folder, tokenizer, scheduler, "CPU", **properties
        )
        self._handles: dict[str, Any] = {}
        self._count = 0
        return {"openvino": openvino.__version__, "openvino-genai": openvino_genai.__version__}

    def add(self, job_id: str, prompt: list[int], new_tokens: int) -> None:
        """Hand a job over."""
        config = openvino_genai.GenerationConfig()
        config.max_new_tokens = new_tokens
        config.set_eos_token_id(2)  # it must have one; the next line makes nothing of it
        config.ignore_eos = True
        config.do_sample = False
        self._count += 1
        ids = openvino.Tensor(np.array([prompt], dtype=np.int64))
        self._handles[job_id] = self._pipeline.add_request(self._count, ids, config)

    def step(self) -> list[work.Token]:
        """Compute one step; return what it brought."""
        self._pipeline.step()
        at = time.perf_counter()
        tokens = []
        for job_id, handle in list(self._handles.items()):
            if not handle.can_read():
                continue
            (output,) = handle.read().values()
            tokens += [work.Token(job_id, int(token), at) for token in output.generated_ids]
            if handle.get_status() == openvino_genai.GenerationStatus.FINISHED:
                del self._handles[job_id]
        return tokens

    def run(self, clients: list[list[list[work.Job]]]) -> dict[str, work.Track]:
        """Run the clients."""
        return work.drive(self, clients)

    def figures(self) -> dict[str, float]:
        """Tell nothing."""
        return {}


if __name__ == "__main__":
    work.serve(OpenVino())
