"""CTranslate2: one padded batch at a time. Measured for its arithmetic only: it has no scheduler."""

from __future__ import annotations

import time

import ctranslate2

from benchmarks.peers import work
from benchmarks.peers.places import model as place


class CTranslate:
    """Writes all jobs that wait as one batch; they ask for equally many tokens."""

    def __init__(self) -> None:
        self._jobs: list[tuple[str, list[int], int]] = []

    def open(self, model: str, precision: str) -> dict[str, str]:
        """Load the converted model."""
        self._generator = ctranslate2.Generator(
            str(place(model, f"ctranslate2-{precision}")),
            device="cpu",
            compute_type=precision,
            inter_threads=1,
            intra_threads=work.THREADS,
        )
        return {"ctranslate2": ctranslate2.__version__}

    def add(self, job_id: str, prompt: list[int], new_tokens: int) -> None:
        """Let a job wait."""
        self._jobs.append((job_id, prompt, new_tokens))

    def step(self) -> list[work.Token]:
        """Write the whole batch."""
        jobs, self._jobs = self._jobs, []
        tokens: list[work.Token] = []

        def note(result: ctranslate2.GenerationStepResult) -> bool:
            job_id = jobs[result.batch_id][0]
            tokens.append(work.Token(job_id, result.token_id, time.perf_counter()))
            return False

        self._generator.generate_batch(
            [[f"t{token}" for token in prompt] for _, prompt, _ in jobs],  # words as in make_models
            max_length=jobs[0][2],
            min_length=jobs[0][2],
            sampling_topk=1,
            include_prompt_in_result=False,
            callback=note,
        )
        return tokens

    def run(self, clients: list[list[list[work.Job]]]) -> dict[str, work.Track]:
        """Run the clients."""
        return work.drive(self, clients)

    def figures(self) -> dict[str, float]:
        """Tell nothing."""
        return {}


if __name__ == "__main__":
    work.serve(CTranslate())
