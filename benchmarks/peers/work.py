"""What every engine is asked to do, and the lines in which it is asked. Standard library only.

A client has stages, one after the other; a stage has jobs, some of which read what others of it wrote. A
chain of steps is one client with one stage, a load many clients with stages of one job. What comes back is
when each job could begin and when each of its tokens came; whoever asked computes figures from that.

A peer reads one JSON object a line and answers with one: first `open` (a model), then `run` (clients).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

THREADS = len(os.sched_getaffinity(0))
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


@dataclass(frozen=True, kw_only=True)
class Job:
    """One text to write: pieces of token ids, or names of jobs whose output stands there."""

    id: str
    pieces: list[list[int] | str]
    new_tokens: int
    messages: list[dict[str, Any]] = field(default_factory=list)  # the same for ours, as text

    @property
    def sources(self) -> set[str]:
        """Return the jobs that it reads."""
        return {piece for piece in self.pieces if isinstance(piece, str)}

    def prompt(self, outputs: dict[str, list[int]]) -> list[int]:
        """Return the token ids of the prompt."""
        ids: list[int] = []
        for piece in self.pieces:
            ids += outputs[piece] if isinstance(piece, str) else piece
        return ids


@dataclass(kw_only=True)
class Track:
    """What happened to a job, in seconds since the run began."""

    ready: float
    prompt_tokens: int
    times: list[float] = field(default_factory=list)  # of its tokens


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a job, and when it came (`time.perf_counter`)."""

    job_id: str
    token_id: int
    at: float


class Batcher(Protocol):
    """An engine that is driven from outside: jobs in, tokens out, step by step."""

    def add(self, job_id: str, prompt: list[int], new_tokens: int) -> None:
        """Take a job whose prompt is complete."""

    def step(self) -> list[Token]:
        """Go on until tokens came; return them."""


class TokensMissing(Exception):
    """An engine wrote less than it was asked for."""


@dataclass
class _Client:
    """Somebody whose stages are run one after the other."""

    stages: list[list[Job]]
    waiting: dict[str, Job] = field(default_factory=dict)
    writing: set[str] = field(default_factory=set)
    outputs: dict[str, list[int]] = field(default_factory=dict)

    def ready(self) -> list[Job]:
        """Return the jobs that can begin now."""
        if not self.waiting and not self.writing and self.stages:
            self.outputs.clear()
            self.waiting = {job.id: job for job in self.stages.pop(0)}
        ready = [job for job in self.waiting.values() if job.sources <= self.outputs.keys()]
        for job in ready:
            del self.waiting[job.id]
            self.writing.add(job.id)
        return ready


def drive(engine: Batcher, clients: list[list[list[Job]]]) -> dict[str, Track]:
    """Run the clients on an engine that is driven from outside; return the tracks of their jobs."""
    everybody = [_Client(stages=list(stages)) for stages in clients]
    tracks: dict[str, Track] = {}
    outputs: dict[str, list[int]] = {}
    of: dict[str, tuple[_Client, Job]] = {}
    begun = time.perf_counter()

    def begin(client: _Client) -> None:
        for job in client.ready():
            prompt = job.prompt(client.outputs)
            at = time.perf_counter() - begun
            tracks[job.id] = Track(ready=at, prompt_tokens=len(prompt))
            outputs[job.id], of[job.id] = [], (client, job)
            engine.add(job.id, prompt, job.new_tokens)

    for client in everybody:
        begin(client)
    while any(client.writing for client in everybody):
        for token in engine.step():
            tracks[token.job_id].times.append(token.at - begun)
            outputs[token.job_id].append(token.token_id)
            client, job = of[token.job_id]
            if len(outputs[job.id]) == job.new_tokens:
                client.writing.discard(job.id)
                client.outputs[job.id] = outputs[job.id]
                begin(client)
    return tracks


class Peer(Protocol):
    """What stands behind the lines: one engine with one model."""

    def open(self, model: str, precision: str) -> dict[str, str]:
        """Load the model; return versions and settings."""

    def run(self, clients: list[list[list[Job]]]) -> dict[str, Track]:
        """Run the clients to their end."""

    def figures(self) -> dict[str, float]:
        """Return what the engine tells of the last run; empty when it tells nothing."""


def memory_mb() -> dict[str, float]:
    """Return the memory of this process: its own, that of files which others can share, and the most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.endswith(" kB")}
    names = {"private_mb": "RssAnon", "mapped_mb": "RssFile", "peak_mb": "VmHWM"}
    return {name: round(int(found[key]) / 1024, 1) for name, key in names.items()}


def clients_from(words: list[list[list[dict[str, Any]]]]) -> list[list[list[Job]]]:
    """Read clients as they come over the line."""
    return [[[Job(**job) for job in stage] for stage in stages] for stages in words]


def end_with_parent() -> None:
    """Have the kernel kill this process when who started it ends, even while it stands still."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def serve(peer: Peer) -> None:
    """Answer lines until they end. What libraries print goes to the error stream."""
    end_with_parent()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    tasks: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "open": lambda words: _open(peer, words),
        "run": lambda words: _run(peer, words),
    }
    for line in sys.stdin:
        words = json.loads(line)
        answers.write(json.dumps(tasks[words["do"]](words)) + "\n")


def _open(peer: Peer, words: dict[str, Any]) -> dict[str, Any]:
    begun = time.perf_counter()
    about = peer.open(words["model"], words["precision"])
    loaded = time.perf_counter()
    warm = Job(id="warm-up", pieces=[list(range(4, 68))], new_tokens=8, messages=words["warm_up"])
    peer.run([[[warm]]])
    ended = time.perf_counter()
    times = {"load_s": loaded - begun, "warm_up_s": ended - loaded}
    return {"about": about, **times, **memory_mb()}


def _run(peer: Peer, words: dict[str, Any]) -> dict[str, Any]:
    clients = clients_from(words["clients"])
    tracks = peer.run(clients)
    for job in (job for stages in clients for stage in stages for job in stage):
        got = len(tracks[job.id].times) if job.id in tracks else 0
        if got != job.new_tokens:
            raise TokensMissing(f"wanted {job.new_tokens} tokens of {job.id}, got {got}")
    said = {key: vars(track) for key, track in tracks.items()}
    return {"tracks": said, "figures": peer.figures(), **memory_mb()}
