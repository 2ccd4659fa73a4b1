"""What the platform adds to a chain of steps: time to the first word, time between steps, growth.

Peer: the same three steps as a plain Celery chain whose tasks call transformers' `generate`.

    python benchmarks/chain.py [--quick]

`ttft_overhead_ms` is the time from the service that a press of "Update" calls to the first words in the
hands of a listener of the web process, with an engine that writes at once: all of it is the platform's
own. `between_steps_overhead_ms` is the time from the last words of a step to the first words of the one
that reads it. Both are medians over runs, for the single process on SQLite (`embedded`) and for a worker
process beside PostgreSQL and Redis (`production`); servers are started here and end with the benchmark.

`vs_plain_celery_chain` divides the peer's wall time by ours, greedy, on the model in models/starter, in
one process each, rounds alternating. `growth_300_vs_3` divides the time per step of a run of 300 steps
by that of a run of 3.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.servers import Child, environment, postgres_and_redis, temporary_folder  # noqa: E402

STARTER = ROOT / "models" / "starter"


def child(job: str, env: dict[str, str], rounds: int) -> dict[str, float]:
    """Measure in an environment; return the figures of the last line."""
    command = [sys.executable, "-m", "benchmarks.inside.chain", job, str(rounds)]
    done = subprocess.run(command, env=env, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def settings_of(folder: Path, **keys: str) -> dict[str, str]:
    """Return an environment with the engine that costs nothing."""
    quiet = {"LOG_LEVEL": "ERROR", "CELERY_SKIP_CHECKS": "1"}
    limits = {"INFERENCE_RUNS_PER_ORGANIZATION": "1000", "INFERENCE_RUNS_PER_PERSON": "1000"}
    engine = {"INFERENCE_ENGINE": "apps.inference.host.scripted_engine"}
    defaults = {"DJANGO_SETTINGS_MODULE": "inferencecloud.settings.dev"}
    return environment(folder, **{**defaults, **quiet, **limits, **engine, **keys})


def embedded(rounds: int) -> dict[str, float]:
    """Measure the single process on SQLite."""
    with temporary_folder() as folder:
        return child("overheads", settings_of(folder), rounds)


def production(rounds: int) -> dict[str, float]:
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


def peer(rounds: int) -> dict[str, float]:
    """Measure against the plain Celery chain, where the source came with a model."""
    if not (STARTER / "manifest.json").is_file():
        print("models/starter is not there: no comparison with the plain chain")
        return {}
    with temporary_folder() as folder:
        engine = "apps.inference.host.local_engine"
        return child("peer", settings_of(folder, INFERENCE_ENGINE=engine), rounds)


def main() -> None:
    """Measure and print; the last line is for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: does it run at all?")
    rounds = 5 if parser.parse_args().quick else 40
    figures: dict[str, float] = {}
    for place, measure in (("embedded", embedded), ("production", production)):
        found = measure(rounds)
        figures |= {f"{place}_{name}": value for name, value in found.items()}
    figures |= peer(max(3, rounds // 4))
    for name in ("ttft_overhead_ms", "between_steps_overhead_ms", "growth_300_vs_3"):
        figures[name] = max(figures[f"embedded_{name}"], figures[f"production_{name}"])
    for name, value in figures.items():
        print(f"{name:45} {value}")
    print(json.dumps({"benchmark": "chain", "figures": figures}))


if __name__ == "__main__":
    main()
