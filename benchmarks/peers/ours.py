"""Our engine, as the product uses it: stages are handed over, and a thread listens to each."""

from __future__ import annotations

import threading
import time
from typing import Any

import torch

from benchmarks.peers import work
from benchmarks.peers.places import OUR_FORMS
from benchmarks.peers.places import model as place
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.metrics import EngineMetrics
from inferencecloud.engine.requests import (
    Delta,
    Message,
    OutputOf,
    Request,
    Role,
    Sampling,
    Text,
)
from inferencecloud.engine.scheduler import Limits

KV_BYTES = 2 << 30


class JobFailed(Exception):
    """A request of the benchmark did not succeed."""


def request_of(job: work.Job, model: str) -> Request:
    """Return the job as a request: the texts that the token ids of the pieces stand for."""
    return Request(
        id=job.id,
        model=model,
        messages=tuple(_message(message) for message in job.messages),
        sampling=Sampling(max_new_tokens=job.new_tokens, guidance_scale=1.0),  # as the peers write
        owner="brand",
    )


def _message(words: dict[str, Any]) -> Message:
    segments = [
        Text(segment) if isinstance(segment, str) else OutputOf(segment["output_of"])
        for segment in words["segments"]
    ]
    return Message(Role(words["role"]), tuple(segments))


class Ours:
    """The batching engine with one model."""

    def open(self, model: str, precision: str) -> dict[str, str]:
        """Load the model, which takes it through its own warm-up."""
        # Random weights repeat themselves: every guess would come true, which says nothing of real texts.
        limits = Limits(draft_tokens=0)
        config = BatchingConfig(threads=work.THREADS, kv_bytes=KV_BYTES, limits=limits)
        self._engine = BatchingEngine(config)
        self._model = model
        self._before = EngineMetrics()
        self._engine.load(place(model, OUR_FORMS[precision]), key=model)
        return {"torch": torch.__version__}

    def run(self, clients: list[list[list[work.Job]]]) -> dict[str, work.Track]:
        """Run every client on a thread of its own."""
        self._before = self._engine.metrics()
        tracks: dict[str, work.Track] = {}
        failed: list[JobFailed] = []
        begun = time.perf_counter()

        def client(stages: list[list[work.Job]]) -> None:
            try:
                for stage in stages:
                    self._stage(stage, tracks, begun)
            except JobFailed as problem:
                failed.append(problem)

        threads = [threading.Thread(target=client, args=(stages,)) for stages in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return tracks

    def figures(self) -> dict[str, float]:
        """Return what the engine found computed already, and how many steps it took."""
        now, before = self._engine.metrics(), self._before
        queried = now.prefix_query_tokens - before.prefix_query_tokens
        hit = now.prefix_hit_tokens - before.prefix_hit_tokens
        return {
            "prefix_query_tokens": queried,
            "prefix_hit_tokens": hit,
            "prefix_hit_rate": hit / max(1, queried),
            "steps": now.steps - before.steps,
            "preemptions": now.preemptions - before.preemptions,
        }

    def _stage(self, jobs: list[work.Job], tracks: dict[str, work.Track], begun: float) -> None:
        at = time.perf_counter() - begun
        for job in jobs:
            tracks[job.id] = work.Track(ready=at, prompt_tokens=0)
        stage = self._engine.submit([request_of(job, self._model) for job in jobs])
        while not stage.finished:
            for delta in stage.poll(timeout_s=60):
                self._note(delta, tracks[delta.request_id], time.perf_counter() - begun)
        for job in jobs:
            ends = [tracks[source].times[-1] for source in job.sources]
            tracks[job.id].ready = max([at, *ends])

    def _note(self, delta: Delta, track: work.Track, at: float) -> None:
        track.times += [at] * len(delta.token_ids)
        if delta.finish is None:
            return
        if not delta.finish.reason.succeeded:
            raise JobFailed(f"{delta.request_id}: {delta.finish}")
        track.prompt_tokens = delta.finish.prompt_tokens


if __name__ == "__main__":
    work.serve(Ours())
