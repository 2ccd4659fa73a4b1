"""What the platform adds to a chain of steps: time to the first word, time between steps, growth.

Peer: the same three steps as a plain Celery chain whose tasks call transformers' `generate`.

    python benchmarks/chain.py [--quick]

`ttft_overhead_ms` is the time from the service that a press of "Update" calls to the first words in the
hands of a listener of the web process, with an engine that writes at once: all of it is the platform's
own. The notebook is one of four cells whose brief has just been typed anew, so that its cells are read
out of the document within the press; `ttft_of_100_cells_ms` is the same in a notebook of a hundred, and
`answered_ms` how long the service itself took. `between_steps_overhead_ms` is the time from the last
words of a cell to the first words of the one that reads it. All are medians over presses, for the single
process on SQLite (`embedded`) and for a worker process beside PostgreSQL and Redis (`production`);
servers are started here and end with the benchmark.

`vs_plain_celery_chain` divides the peer's wall time per token by ours (ours go on to the end of a sentence,
so the texts differ in length), greedy, on the model in models/starter, in one process each, rounds
alternating; ours with the guidance that the starter's settings ask for, which `generate` does not know and
which doubles the arithmetic. `growth_300_vs_3` divides the time per cell of a notebook of 300 cells by that
of one of 3, from the press to the end of the run.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.inside.record import commit  # noqa: E402
from tests.servers import Child, environment, postgres_and_redis, temporary_folder  # noqa: E402

STARTER = ROOT / "models" / "starter"
RESULTS = ROOT / "benchmarks" / "results" / "chain.json"
PROMISED = ("ttft_overhead_ms", "between_steps_overhead_ms", "growth_300_vs_3")


class PeerMissing(Exception):
    """There is nothing to compare with."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one environment gave: medians, and the rounds that they are of."""

    figures: dict[str, float]
    rounds: dict[str, list[float]]


def child(job: str, env: dict[str, str], rounds: int) -> Measured:
    """Measure in an environment; return what its last line says."""
    command = [sys.executable, "-m", "benchmarks.inside.chain", job, str(rounds)]
    done = subprocess.run(command, env=env, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def settings_of(folder: Path, **keys: str) -> dict[str, str]:
    """Return an environment with the engine that costs nothing."""
    quiet = {"LOG_LEVEL": "ERROR", "CELERY_SKIP_CHECKS": "1"}
    limits = {"INFERENCE_RUNS_PER_ORGANIZATION": "1000", "INFERENCE_RUNS_PER_PERSON": "1000"}
    engine = {"INFERENCE_ENGINE": "apps.inference.host.scripted_engine"}
    defaults = {"DJANGO_SETTINGS_MODULE": "inferencecloud.settings.dev"}
    return environment(folder, **{**defaults, **quiet, **limits, **engine, **keys})


def embedded(rounds: int) -> Measured:
    """Measure the single process on SQLite."""
    with temporary_folder() as folder:
        return child("overheads", settings_of(folder), rounds)


def production(rounds: int) -> Measured:
    """Measure with a worker process, PostgreSQL and Redis of our own."""
    with temporary_folder() as folder, postgres_and_redis() as (postgres, redis):
        env = settings_of(
            folder,
            DJANGO_SETTINGS_MODULE="inferencecloud.settings.prod",
            SECRET_KEY="for-one-benchmark-0123456789-abcdefghijklmnopqrst",  # noqa: S106
            DATABASE_URL=postgres.url,
            REDIS_URL=redis.url(0),
            CHANNEL_REDIS_URL=redis.url(1),
            CACHE_REDIS_URL=redis.url(2),
        )
        celery = [sys.executable, "-m", "celery", "-A", "inferencecloud", "worker"]
        flags = ["--pool", "threads", "--concurrency", "4", "--loglevel", "error"]
        worker = Child([*celery, *flags], log=folder / "worker.log", env=env)
        worker.start()
        try:
            return child("overheads", env, rounds)
        finally:
            worker.kill()


def peer(rounds: int) -> Measured:
    """Measure against the plain Celery chain, on the model that comes with the source."""
    if not (STARTER / "manifest.json").is_file():
        message = f"wanted the model in {STARTER}, got none: the plain Celery chain cannot run"
        raise PeerMissing(message)
    with temporary_folder() as folder:
        engine = "apps.inference.host.local_engine"
        return child("peer", settings_of(folder, INFERENCE_ENGINE=engine), rounds)


def main() -> None:
    """Measure and print; the last line is for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    is_quick = parser.parse_args().quick
    rounds = 5 if is_quick else 40
    places = {"embedded": embedded(rounds), "production": production(rounds)}
    against = peer(max(3, rounds // 4))
    figures = {
        f"{place}_{name}": value
        for place, found in places.items()
        for name, value in found.figures.items()
    }
    figures |= against.figures
    for name in PROMISED:
        figures[name] = max(figures[f"{place}_{name}"] for place in places)
    for name, value in figures.items():
        print(f"{name:45} {value}")
    if not is_quick:
        keep(figures, {**places, "peer": against})
    print(json.dumps({"benchmark": "chain", "figures": figures}))


def keep(figures: dict[str, float], places: dict[str, Measured]) -> None:
    """Write the figures, and the rounds behind them, with the commit that they belong to."""
    rounds = {place: found.rounds for place, found in places.items()}
    RESULTS.parent.mkdir(exist_ok=True)
    about = {"commit": commit(), "cpus": os.cpu_count(), "figures": figures, "rounds_ms": rounds}
    RESULTS.write_text(json.dumps(about) + "\n")


if __name__ == "__main__":
    main()
