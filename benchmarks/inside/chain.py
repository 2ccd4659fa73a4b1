"""The part of benchmarks/chain.py that runs in the environment which it measures.

    python -m benchmarks.inside.chain overheads|peer ROUNDS

Prints the figures as JSON on its last line.
"""

import asyncio
import json
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django

django.setup()

import torch  # noqa: E402
from celery import chain as celery_chain  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db.models import Sum  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from apps.catalog.models import Deployment  # noqa: E402
from apps.catalog.services import ensure_starter  # noqa: E402
from apps.inference.models import Output  # noqa: E402
from apps.inference.specs import Params, PromptMessage, StepOutput, StepSpec, Text  # noqa: E402
from apps.realtime.hub import this_hub  # noqa: E402
from benchmarks.inside.updates import BRANCH, Book  # noqa: E402
from inferencecloud.celery import app  # noqa: E402
from inferencecloud.embedded.work import background_work  # noqa: E402
from tests.factories import Company, company  # noqa: E402
from tests.inference.builders import deployment, spec, start  # noqa: E402

STARTER = Path(settings.BASE_DIR) / "models" / "starter"
BRIEF = "Product: Harbor Lamp. A lamp of brushed steel with a warm light, for desks and reading corners."
ASKS = (
    "Write a tag line.\n",
    "Write a short description from: ",
    "Write a long description from: ",
)
NEW_TOKENS = 48
WAIT_S = 120.0


class RunFailed(Exception):
    """A run of the benchmark did not succeed, or did not end."""


@dataclass(eq=False)
class Viewer:
    """Somebody who looks: listens as a socket does, on the loop of this process."""

    topic: str
    heard: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, message: dict[str, Any]) -> None:
        """Take an event; what processes tell each other is nothing for a browser."""
        if message["type"] == "topic.event":
            self.heard.append((time.perf_counter(), message["event"]))

    def first(self, key: str) -> float:
        """Return when the first words of a step came."""
        return next(at for at, event in self.heard if self._is_delta(event, key))

    def last(self, key: str) -> float:
        """Return when the last words of a step came."""
        return [at for at, event in self.heard if self._is_delta(event, key)][-1]

    def wait_for_end(self) -> float:
        """Return when the run was told to be over; fail when it did not succeed."""
        deadline = time.perf_counter() + WAIT_S
        while time.perf_counter() < deadline:
            for at, event in list(self.heard):
                if event["type"] == "inference.run" and event["status"] == "succeeded":
                    return at
                if event.get("status") == "failed":
                    raise RunFailed(event)
            time.sleep(0.001)
        raise RunFailed(self.heard[-3:])

    @staticmethod
    def _is_delta(event: dict[str, Any], key: str) -> bool:
        return event["type"] == "inference.delta" and event["key"] == key


class Loop:
    """The event loop that serves the sockets of a web process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def look(self, viewer: Viewer) -> None:
        """Let the viewer listen."""

        async def listen() -> None:
            await this_hub().listen(viewer.topic, viewer)

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(10)

    def look_away(self, viewer: Viewer) -> None:
        """Let the viewer go."""

        async def leave() -> None:
            await this_hub().leave(viewer.topic, viewer)

        asyncio.run_coroutine_threadsafe(leave(), self._loop).result(10)


@dataclass(frozen=True, kw_only=True)
class Press:
    """What one press of Update took, from the call of its service on."""

    answered_s: float  # until the service returned
    first_s: float  # until a viewer had the first words
    between_s: list[float]  # from the last words of a cell to the first of its reader
    written_s: float  # until a viewer heard the end
    adopted_s: float  # until every text stood in the document


@dataclass
class Bench:
    """One place with an organization and a writer, and the runs on it."""

    loop: Loop
    company: Company
    number: int = 0

    def run(self, steps: list[Any]) -> tuple[float, Viewer]:
        """Run the steps to their end; return when Update was pressed, and what a viewer heard."""
        self.number += 1
        viewer = Viewer(topic=f"thing.{self.number}")
        self.loop.look(viewer)
        pressed = time.perf_counter()
        start(self.company.organization, steps, key=f"{os.getpid()}", subject=str(self.number))
        viewer.wait_for_end()
        return pressed, viewer

    def press(self, book: Book) -> Press:
        """Change the brief and press Update; return what that took once all texts stand there."""
        book.type_brief()
        viewer = Viewer(topic=book.topic)
        self.loop.look(viewer)
        pressed = time.perf_counter()
        book.press()
        answered = time.perf_counter()
        ended = viewer.wait_for_end()
        book.wait_for_texts()
        self.loop.look_away(viewer)
        return Press(
            answered_s=answered - pressed,
            first_s=viewer.first(book.key(0)) - pressed,
            between_s=[
                viewer.first(book.key(n + 1)) - viewer.last(book.key(n))
                for n in range(min(book.cells, BRANCH) - 1)
            ],
            written_s=ended - pressed,
            adopted_s=time.perf_counter() - pressed,
        )


@dataclass
class Figures:
    """Medians by name, and the rounds that they are of, in milliseconds."""

    medians: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: list[float]) -> list[float]:
        """Note a figure; return its rounds."""
        self.rounds[name] = [round(one * 1000, 2) for one in seconds]
        self.medians[name] = round(statistics.median(self.rounds[name]), 2)
        return self.rounds[name]

    def join(self, other: "Figures") -> "Figures":
        """Return both."""
        return Figures({**self.medians, **other.medians}, {**self.rounds, **other.rounds})


def overheads(bench: Bench, rounds: int) -> Figures:
    """Measure the platform's own time before the first words and between steps, small and large."""
    small, large = (Book(bench.company, cells=cells) for cells in (4, 99))
    for _ in range(3):
        bench.press(small)
    few = [bench.press(small) for _ in range(rounds)]
    many = [bench.press(large) for _ in range(max(2, rounds // 8))]
    found = Figures()
    first = found.add("ttft_overhead_ms", [one.first_s for one in few])
    found.medians["ttft_overhead_p95_ms"] = sorted(first)[int(len(first) * 0.95)]
    found.add("answered_ms", [one.answered_s for one in few])
    found.add("between_steps_overhead_ms", [s for one in few for s in one.between_s])
    found.add("between_pools_overhead_ms", [across_pools(bench) for _ in range(rounds)])
    found.add("ttft_of_100_cells_ms", [one.first_s for one in many])
    found.add("answered_of_100_cells_ms", [one.answered_s for one in many])
    found.add("adopted_of_100_cells_ms", [one.adopted_s for one in many])
    return found


def across_pools(bench: Bench) -> float:
    """Return the time from the last words of a step to its reader's first, written in another pool."""
    _, viewer = bench.run([spec("a"), spec("b", "a", alias="other")])
    return viewer.first("b") - viewer.last("a")


def growth(bench: Bench, rounds: int) -> Figures:
    """Measure how the time per cell changes from a notebook of 3 to one of 300."""
    small, large = (Book(bench.company, cells=cells) for cells in (3, 300))
    few = [bench.press(small) for _ in range(rounds)]
    many = [bench.press(large) for _ in range(max(2, rounds // 12))]
    found = Figures()
    found.add("per_cell_of_3_ms", [one.written_s / small.cells for one in few])
    found.add("per_cell_of_300_ms", [one.written_s / large.cells for one in many])
    found.add("adopted_of_300_cells_ms", [one.adopted_s for one in many])
    found.medians["growth_300_vs_3"] = round(
        found.medians["per_cell_of_300_ms"] / found.medians["per_cell_of_3_ms"], 2
    )
    return found


@contextmanager
def bench_here() -> Iterator[Bench]:
    """Yield a bench in this process, whose environment says where it is."""
    call_command("migrate", verbosity=0)
    deployment()
    deployment("other", pool="default")  # another queue of the same worker
    bench = Bench(loop=Loop(), company=company())
    # In a process whose last viewer has left, the channel layer looks only every 100 ms whether it is to
    # listen again; whoever presses has looked at the notebook for longer than that.
    bench.loop.look(Viewer(topic="somebody.else"))
    if settings.CELERY_BROKER_URL.startswith("memory:"):
        with background_work(app, threads=6, grace_s=2.0):
            yield bench
    else:
        yield bench


def inside_overheads(rounds: int) -> Figures:
    """Measure in this process, beside whatever the parent has started."""
    with bench_here() as bench:
        return overheads(bench, rounds).join(growth(bench, rounds))


@dataclass(frozen=True, kw_only=True)
class PlainChain:
    """The peer: runs once when called, and returns its wall time; `tokens` of each step of the last run."""

    once: Callable[[], float]
    tokens: list[int]


def inside_peer(rounds: int) -> Figures:
    """Run the chain on the starter: ours and the peer's, alternating."""
    peer = plain_chain()  # a worker takes only tasks that it knew when it began
    with bench_here() as bench:
        return against_peer(bench, peer, rounds)


def against_peer(bench: Bench, peer: PlainChain, rounds: int) -> Figures:
    """Measure wall times of ours and of a plain Celery chain on the same model, for as many tokens.

    Ours finish their sentence, those of the peer do not: the ratio is of the times per token.
    """
    Deployment.objects.all().delete()
    ensure_starter()
    params = Params(temperature=0, seed=1, max_new_tokens=NEW_TOKENS)
    steps = [
        StepSpec(
            key=f"c{n}",
            params=params,
            messages=(
                PromptMessage(
                    role="user",
                    segments=(
                        Text(text=ask + ("" if n else BRIEF)),
                        *((StepOutput(step=f"c{n - 1}"),) if n else ()),
                    ),
                ),
            ),
        )
        for n, ask in enumerate(ASKS)
    ]
    ours, theirs, first = [], [], []
    bench.run(steps)
    peer.once()
    written = Output.objects.aggregate(tokens=Sum("new_tokens"))["tokens"]
    for number in range(rounds):
        if number % 2:
            theirs.append(peer.once())
        pressed, viewer = bench.run(steps)
        ours.append(viewer.wait_for_end() - pressed)
        first.append(viewer.first("c0") - pressed)
        if number % 2 == 0:
            theirs.append(peer.once())
    found = Figures()
    found.add("chain_ms", ours)
    found.add("chain_ttft_ms", first)
    found.add("plain_celery_chain_ms", theirs)
    found.medians |= {"chain_tokens": written, "plain_celery_chain_tokens": sum(peer.tokens)}
    ratio = found.medians["plain_celery_chain_ms"] / found.medians["chain_ms"]
    found.medians["vs_plain_celery_chain"] = round(ratio * written / sum(peer.tokens), 2)
    return found


def plain_chain() -> PlainChain:
    """Return the peer, its model loaded."""
    tokens: list[int] = []
    tokenizer = AutoTokenizer.from_pretrained(STARTER)
    model = AutoModelForCausalLM.from_pretrained(STARTER, dtype=torch.float32)
    ended = threading.Event()

    @app.task(name="benchmarks.generate")
    def generate(text: str, *, ask: str, is_last: bool) -> str:
        messages = [{"role": "user", "content": ask + text}]
        prompt = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            ids = model.generate(**prompt, max_new_tokens=NEW_TOKENS, do_sample=False)
        written = ids[0, prompt["input_ids"].shape[1] :]
        tokens.append(len(written))
        if is_last:
            ended.set()
        return str(tokenizer.decode(written, skip_special_tokens=True))

    def once() -> float:
        ended.clear()
        tokens.clear()
        links = [generate.s(ask=ask, is_last=ask is ASKS[-1]) for ask in ASKS[1:]]
        pressed = time.perf_counter()
        celery_chain(generate.s(BRIEF, ask=ASKS[0], is_last=False), *links).apply_async()
        if not ended.wait(WAIT_S):
            raise RunFailed("the plain chain")
        return time.perf_counter() - pressed

    return PlainChain(once=once, tokens=tokens)


JOBS = {"overheads": inside_overheads, "peer": inside_peer}

if __name__ == "__main__":
    found = JOBS[sys.argv[1]](int(sys.argv[2]))
    print(json.dumps({"figures": found.medians, "rounds": found.rounds}), flush=True)
    os._exit(0)  # threads of worker and loop have nothing to tidy up
