"""Engines in processes of their own: asked one at a time, the others stand still meanwhile."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.places import PEERS, ROOT, python_of
from benchmarks.peers.work import THREADS

ANSWER_WITHIN_S = 1800
ADVICE = "make it with: python benchmarks/peers/prepare.py"


class PeerFailed(Exception):
    """A peer is missing, or ended before it answered."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A program that speaks the lines of benchmarks/peers/work.py."""

    environment: str
    module: str
    words: tuple[str, ...] = ()


KINDS = {
    "ours": Kind(environment="product", module="ours"),
    "transformers": Kind(environment="product", module="serial_transformers"),
    "transformers_padded": Kind(
        environment="product", module="serial_transformers", words=("together",)
    ),
    "transformers_batching": Kind(environment="product", module="batching_transformers"),
    "llama_cpp": Kind(environment="llama", module="llama"),
    "openvino_genai": Kind(environment="openvino", module="openvino_genai"),
    "openvino": Kind(environment="openvino", module="openvino_runtime"),
    "ctranslate2": Kind(environment="openvino", module="ctranslate"),
    "bandwidth": Kind(environment="product", module="bandwidth"),
}


@dataclass(kw_only=True)
class Child:
    """One engine with one model."""

    name: str
    process: subprocess.Popen[bytes]
    answers: int  # the descriptor on which they come
    opened: dict[str, Any] = field(default_factory=dict)
    rest: bytes = b""

    def ask(self, **words: Any) -> dict[str, Any]:
        """Let it run, ask, wait for the answer, and let it stand still again.

        Raises:
            PeerFailed: It ended, or did not answer in time.
        """
        self.process.send_signal(signal.SIGCONT)
        try:
            self._write(json.dumps(words).encode() + b"\n")
            answer: dict[str, Any] = json.loads(self._line())
        except BrokenPipeError as broken:
            raise PeerFailed(f"{self.name} has ended; its log: {log_of(self.name)}") from broken
        self.process.send_signal(signal.SIGSTOP)
        return answer

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def _write(self, line: bytes) -> None:
        if self.process.stdin is not None:
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def _line(self) -> bytes:
        descriptor = self.answers
        while b"\n" not in self.rest:
            ready, _, _ = select.select([descriptor], [], [], ANSWER_WITHIN_S)
            news = os.read(descriptor, 1 << 20) if ready else b""
            if not news:
                end = log_of(self.name).read_text(errors="replace").splitlines()[-15:]
                what = "has ended" if ready else f"did not answer within {ANSWER_WITHIN_S} s"
                raise PeerFailed("\n".join([f"{self.name} {what}:", *end]))
            self.rest += news
        line, _, self.rest = self.rest.partition(b"\n")
        return line


def log_of(name: str) -> Any:
    """Return where a peer's words stand."""
    return PEERS / "logs" / f"run-{name}.log"


def start(name: str) -> Child:
    """Start the program of a peer.

    Raises:
        PeerFailed: Its environment is not there.
    """
    kind = KINDS[name]
    python = python_of(kind.environment)
    if not python.exists():
        raise PeerFailed(f"wanted {name} in {python.parent.parent}, got no environment; {ADVICE}")
    log_of(name).parent.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", f"benchmarks.peers.{kind.module}", *kind.words]
    with log_of(name).open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": str(THREADS), "TOKENIZERS_PARALLELISM": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    if process.stdout is None:
        raise PeerFailed(f"wanted to listen to {name}, got no pipe")
    return Child(name=name, process=process, answers=process.stdout.fileno())


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A peer with a model in a precision, and what the result is to be called."""

    peer: str
    precision: str

    @property
    def label(self) -> str:
        """Return the name in tables."""
        return f"{self.peer} {self.precision}"


@contextmanager
def opened(model: str, wanted: list[Wanted], warm_up: Any) -> Iterator[dict[str, Child]]:
    """Yield the peers with the model loaded, by label; they end with the block."""
    with ExitStack() as stack:
        children = {}
        for each in wanted:
            child = start(each.peer)
            stack.callback(child.close)
            words = {"model": model, "precision": each.precision, "warm_up": warm_up}
            child.opened = child.ask(do="open", **words)
            print(f"  {each.label:28} {line_of(child.opened)}", flush=True)
            children[each.label] = child
        yield children


def line_of(answer: dict[str, Any]) -> str:
    """Return what loading took, in one line."""
    times = f"loaded in {answer['load_s']:.1f} s, warm after {answer['warm_up_s']:.1f} s"
    memory = f"{answer['private_mb']:.0f} MB of its own, {answer['mapped_mb']:.0f} MB mapped"
    return f"{times}, {memory}"


def turns(labels: list[str], number: int) -> list[str]:
    """Return the order of a round: every second one backwards."""
    return labels if number % 2 == 0 else labels[::-1]
