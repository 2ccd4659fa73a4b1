"""OpenVINO's runtime alone on the exported model: one padded batch at a time, without a scheduler."""

from __future__ import annotations

import time

import numpy as np
import openvino

from benchmarks.peers import work
from benchmarks.peers.openvino_genai import FORMS
from benchmarks.peers.places import model as place


class OpenVinoRuntime:
    """Writes all jobs that wait as one batch; they have equally many tokens."""

    def __init__(self) -> None:
        self._jobs: list[tuple[str, list[int], int]] = []

    def open(self, model: str, precision: str) -> dict[str, str]:
        """Load the exported model."""
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": work.THREADS, "PERFORMANCE_HINT": "LATENCY"}
        path = place(model, f"openvino-{FORMS[precision]}") / "openvino_model.xml"
        self._request = core.compile_model(path, "CPU", settings).create_infer_request()
        return {"openvino": openvino.__version__}

    def add(self, job_id: str, prompt: list[int], new_tokens: int) -> None:
        """Let a job wait."""
        self._jobs.append((job_id, prompt, new_tokens))

    def step(self) -> list[work.Token]:
        """Write the whole batch."""
        jobs, self._jobs = self._jobs, []
        self._request.reset_state()
        ids = np.array([prompt for _, prompt, _ in jobs], dtype=np.int64)  # (B, T)
        context = ids.shape[1]
        tokens: list[work.Token] = []
        for _ in range(jobs[0][2]):
            positions = np.arange(context - ids.shape[1], context, dtype=np.int64)
            said = self._request.infer(
                {
                    "input_ids": ids,
                    "attention_mask": np.ones((len(jobs), context), dtype=np.int64),
                    "position_ids": np.broadcast_to(positions, ids.shape).copy(),
                    "beam_idx": np.arange(len(jobs), dtype=np.int32),
                }
            )
            ids = said["logits"][:, -1].argmax(axis=1)[:, None].astype(np.int64)  # (B, 1)
            context += 1
            at = time.perf_counter()
            tokens += [
                work.Token(job_id, int(token), at)
                for (job_id, _, _), token in zip(jobs, ids[:, 0], strict=True)
            ]
        return tokens

    def run(self, clients: list[list[list[work.Job]]]) -> dict[str, work.Track]:
        """Run the clients."""
        return work.drive(self, clients)

    def figures(self) -> dict[str, float]:
        """Tell nothing."""
        return {}


if __name__ == "__main__":
    work.serve(OpenVinoRuntime())
