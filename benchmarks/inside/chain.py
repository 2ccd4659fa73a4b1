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
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from apps.catalog.models import Deployment  # noqa: E402
from apps.catalog.services import ensure_starter  # noqa: E402
from apps.inference.specs import Params, PromptMessage, StepOutput, StepSpec, Text  # noqa: E402
from apps.organizations.models import Organization  # noqa: E402
from apps.realtime.hub import this_hub  # noqa: E402
from inferencecloud.celery import app  # noqa: E402
from inferencecloud.embedded.work import background_work  # noqa: E402
from tests.inference.builders import chain, deployment, spec, start  # noqa: E402

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
        """Take an event."""
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


@dataclass
class Bench:
    """One place with an organization and a writer, and the runs on it."""

    loop: Loop
    organization: Any
    number: int = 0

    def run(self, steps: list[Any]) -> tuple[float, Viewer]:
        """Run the steps to their end; return when Update was pressed, and what a viewer heard."""
        self.number += 1
        viewer = Viewer(topic=f"thing.{self.number}")
        self.loop.look(viewer)
        pressed = time.perf_counter()
        start(self.organization, steps, key=f"{os.getpid()}", subject=str(self.number))
        viewer.wait_for_end()
        return pressed, viewer


def overheads(bench: Bench, rounds: int) -> dict[str, float]:
    """Return the platform's own time before the first words and between steps."""
    for _ in range(3):
        bench.run(chain(3))
    before, between, across = [], [], []
    for _ in range(rounds):
        pressed, viewer = bench.run(chain(3))
        before.append(viewer.first("c0") - pressed)
        between += [viewer.first(f"c{n + 1}") - viewer.last(f"c{n}") for n in range(2)]
    for _ in range(rounds):
        _, viewer = bench.run([spec("a"), spec("b", "a", alias="other")])
        across.append(viewer.first("b") - viewer.last("a"))
    return {
        "ttft_overhead_ms": median_ms(before),
        "ttft_overhead_p95_ms": round(sorted(before)[int(len(before) * 0.95)] * 1000, 1),
        "between_steps_overhead_ms": median_ms(between),
        "between_pools_overhead_ms": median_ms(across),
    }


def growth(bench: Bench, rounds: int) -> dict[str, float]:
    """Return how the time per step changes from 3 steps to 300."""

    def per_step(length: int) -> float:
        pressed, viewer = bench.run(chain(length))
        return (viewer.wait_for_end() - pressed) / length

    few = statistics.median(per_step(3) for _ in range(rounds))
    many = statistics.median(per_step(300) for _ in range(max(1, rounds // 8)))
    return {
        "per_step_of_3_ms": round(few * 1000, 2),
        "per_step_of_300_ms": round(many * 1000, 2),
        "growth_300_vs_3": round(many / few, 2),
    }


def median_ms(seconds: list[float]) -> float:
    """Return the median in milliseconds."""
    return round(statistics.median(seconds) * 1000, 1)


@contextmanager
def bench_here() -> Iterator[Bench]:
    """Yield a bench in this process, whose environment says where it is."""
    call_command("migrate", verbosity=0)
    organization = Organization.objects.create(name="Bench", slug="bench")
    deployment()
    deployment("other", pool="default")  # another queue of the same worker
    bench = Bench(loop=Loop(), organization=organization)
    if settings.CELERY_BROKER_URL.startswith("memory:"):
        with background_work(app, threads=6, grace_s=2.0):
            yield bench
    else:
        yield bench


def inside_overheads(rounds: int) -> dict[str, float]:
    """Measure in this process, beside whatever the parent has started."""
    with bench_here() as bench:
        return {**overheads(bench, rounds), **growth(bench, rounds)}


def inside_peer(rounds: int) -> dict[str, float]:
    """Run the chain on the starter: ours and the peer's, alternating."""
    peer = plain_chain()  # a worker takes only tasks that it knew when it began
    with bench_here() as bench:
        return against_peer(bench, peer, rounds)


def against_peer(bench: Bench, peer: Callable[[], float], rounds: int) -> dict[str, float]:
    """Return wall times of ours and of a plain Celery chain on the same model."""
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
    peer()
    for _ in range(rounds):
        pressed, viewer = bench.run(steps)
        ours.append(viewer.wait_for_end() - pressed)
        first.append(viewer.first("c0") - pressed)
        theirs.append(peer())
    return {
        "chain_s": round(statistics.median(ours), 3),
        "chain_ttft_ms": median_ms(first),
        "plain_celery_chain_s": round(statistics.median(theirs), 3),
        "vs_plain_celery_chain": round(statistics.median(theirs) / statistics.median(ours), 2),
    }


def plain_chain() -> Callable[[], float]:
    """Return a function that runs the peer once and gives its wall time."""
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
        if is_last:
            ended.set()
        written = ids[0, prompt["input_ids"].shape[1] :]
        return str(tokenizer.decode(written, skip_special_tokens=True))

    def once() -> float:
        ended.clear()
        links = [generate.s(ask=ask, is_last=ask is ASKS[-1]) for ask in ASKS[1:]]
        pressed = time.perf_counter()
        celery_chain(generate.s(BRIEF, ask=ASKS[0], is_last=False), *links).apply_async()
        if not ended.wait(WAIT_S):
            raise RunFailed("the plain chain")
        return time.perf_counter() - pressed

    return once


JOBS = {"overheads": inside_overheads, "peer": inside_peer}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](int(sys.argv[2]))), flush=True)
    os._exit(0)  # threads of worker and loop have nothing to tidy up
