"""From a key to the peers: 20 editors and 100 viewers in one notebook, against y-websocket 2.1.0.

    python benchmarks/collab.py [--quick] [--only postgres]

The same Node client (collab_client.mjs) types into three servers, started here on free ports: ours on
PostgreSQL, Redis and a worker (`postgres`), ours as `manage.py serve` on SQLite (`sqlite`), and the
server of y-websocket, which acknowledges nothing durably. Rounds alternate; figures are medians.

`keystroke_p95_vs_y_websocket` divides our p95 from key press to a peer's document by the peer's;
`join_bytes_vs_y_websocket` what a fresh browser receives until it has the document;
`p95_at_10x_document_vs_1x` compares our p95 in a document of ten times the length. Every update that we
relay is committed first: synchronous_commit=on, synchronous=FULL.

What costs, beside the peer: on PostgreSQL the append of a batch (four round trips and the commit, 0.74 ms in
the median of 900 alone on the machine), two changes of thread, and the wait of a key that arrives while the
batch before it is on its way. Writing to 119 sockets, which the peer does as well, is three quarters of the
web process's work.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.inside.record import commit  # noqa: E402
from tests.servers import (  # noqa: E402
    Child,
    Web,
    embedded,
    environment,
    free_port,
    postgres_and_redis,
    temporary_folder,
    wait_until,
)

RESULTS = ROOT / "benchmarks" / "results" / "collab.json"
EDITORS, VIEWERS = 20, 100
SHORT, LONG = "1x", "10x"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    keys_per_second: float
    words: int  # in the short document


@dataclass(kw_only=True)
class Server:
    """A server under test: where its rooms are and who may enter."""

    name: str
    process: Child
    rooms: dict[str, str]  # size of the document -> URL
    origin: str = ""
    sessions: list[str] = field(default_factory=list)

    def run(self, task: str, size: str, **config: Any) -> dict[str, Any]:
        """Run the client on one of the rooms and return its figures."""
        kind = "y-websocket" if self.name == "y-websocket" else "ours"
        config |= {"task": task, "server": kind, "url": self.rooms[size]}
        config |= {"origin": self.origin, "sessions": self.sessions}
        with temporary_folder() as folder:
            path = folder / "config.json"
            path.write_text(json.dumps(config))
            words = ["node", str(ROOT / "benchmarks" / "collab_client.mjs"), str(path)]
            done = subprocess.run(words, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE)
        figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return figures

    def cpu_s(self) -> float:
        """Return the processor time that the server process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fill_database(env: dict[str, str]) -> dict[str, Any]:
    """Make people and notebooks; return their session keys and ids."""
    words = [sys.executable, "-m", "benchmarks.inside.collab", str(EDITORS), str(VIEWERS), "2"]
    done = subprocess.run(words, env=env, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE)
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


def ours(name: str, web: Web, made: dict[str, Any]) -> Server:
    """Return our server on the port with the two notebooks."""
    address = f"ws://127.0.0.1:{web.port}/ws/notebooks"
    urls = [f"{address}/{notebook}/" for notebook in made["notebooks"]]
    return Server(
        name=name,
        process=web,
        rooms=dict(zip((SHORT, LONG), urls, strict=True)),
        origin=web.url,
        sessions=made["sessions"],
    )


@contextmanager
def on_postgres() -> Iterator[Server]:
    """Serve from one web process and a worker on PostgreSQL and Redis."""
    with temporary_folder() as folder, postgres_and_redis() as (postgres, redis):
        env = environment(
            folder,
            DJANGO_SETTINGS_MODULE="inferencecloud.settings.prod",
            SECRET_KEY="for-one-benchmark-0123456789-abcdefghijklmnopqrst",  # noqa: S106
            DATABASE_URL=postgres.url,
            REDIS_URL=redis.url(0),
            CHANNEL_REDIS_URL=redis.url(1),
            CACHE_REDIS_URL=redis.url(2),
            ALLOWED_HOSTS="127.0.0.1,testserver",
            SECURE_SSL_REDIRECT="false",
            LOG_LEVEL="WARNING",
        )
        manage = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(manage, env=env, cwd=ROOT, check=True)
        made = fill_database(env)
        port = free_port()
        asgi = [sys.executable, "-m", "uvicorn", "inferencecloud.asgi:application"]
        flags = ["--port", str(port), "--log-level", "warning", "--no-access-log"]
        flags += [
            "--ws",
            "apps.realtime.protocol:SocketProtocol",
            "--ws-per-message-deflate",
            "false",
        ]
        web = Web([*asgi, *flags], port=port, log=folder / "web.log", env=env)
        celery = [sys.executable, "-m", "celery", "-A", "inferencecloud", "worker"]
        options = ["--pool", "threads", "--concurrency", "2", "--loglevel", "warning"]
        worker = Child([*celery, *options], log=folder / "worker.log", env=env)
        try:
            worker.start()
            web.start()
            yield ours("postgres", web, made)
        finally:
            web.kill()
            worker.kill()


@contextmanager
def on_sqlite() -> Iterator[Server]:
    """Serve from the single process that needs nothing else."""
    with temporary_folder() as folder:
        web = embedded(
            folder / "data", DEMO="0", LOG_LEVEL="WARNING", ALLOWED_HOSTS="127.0.0.1,testserver"
        )
        try:
            web.start()
            made = fill_database(
                {**web.env, "DJANGO_SETTINGS_MODULE": "inferencecloud.settings.dev"}
            )
            yield ours("sqlite", web, made)
        finally:
            web.kill()


@contextmanager
def y_websocket() -> Iterator[Server]:
    """Serve from y-websocket's own server, in memory as it comes."""
    port = free_port()
    with temporary_folder() as folder:
        env = {**environment(folder), "PORT": str(port), "HOST": "127.0.0.1"}
        script = str(ROOT / "node_modules" / "y-websocket" / "bin" / "server.cjs")
        server = Child(["node", script], log=folder / "y-websocket.log", env=env)
        try:
            server.start()
            wait_until(lambda: "running" in server.words, "y-websocket answers")
            rooms = {size: f"ws://127.0.0.1:{port}/{size}" for size in (SHORT, LONG)}
            yield Server(name="y-websocket", process=server, rooms=rooms)
        finally:
            server.kill()


def measure(servers: list[Server], plan: Plan) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Fill the documents, then type in them in turns; return the rounds by server and size."""
    for server in servers:
        server.run("fill", SHORT, words=plan.words)
        server.run("fill", LONG, words=plan.words * 10)
    rounds: dict[str, dict[str, list[dict[str, Any]]]] = {
        server.name: {SHORT: [], LONG: []} for server in servers
    }
    for number in range(plan.rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            for size in (SHORT, LONG):
                found = server.run("join", size)
                before = server.cpu_s()
                found |= server.run(
                    "type",
                    size,
                    editors=EDITORS,
                    viewers=VIEWERS,
                    seconds=plan.seconds,
                    keysPerSecond=plan.keys_per_second,
                )
                found["server_cpu_share"] = (server.cpu_s() - before) / plan.seconds
                rounds[server.name][size].append(found)
                print(f"{server.name:12} {size:4} {line(found)}", flush=True)
    return rounds


def line(found: dict[str, Any]) -> str:
    """Return a round in one line."""
    spread = {name: value and round(value, 1) for name, value in found["latency"].items()}
    ack = found["ack"]["p95"]
    cpu = f"cpu {found['server_cpu_share']:.2f}, of the client {found['clientCpuShare']:.2f}"
    rest = f"ack p95 {ack and round(ack, 1)} join {found['bytes']} missing {found['missing']}"
    return f"{spread} {rest} {cpu}"


def figures_of(rounds: dict[str, dict[str, list[dict[str, Any]]]]) -> dict[str, float]:
    """Return medians over the rounds and what they compare to."""

    def median(name: str, size: str, *path: str) -> float:
        values = []
        for found in rounds[name][size]:
            value: Any = found
            for key in path:
                value = value[key]
            values.append(value)
        return float(statistics.median(values))

    found: dict[str, float] = {}
    for name in rounds:
        short = name.replace("-", "_")
        for share in ("p50", "p95", "p99"):
            found[f"{short}_{share}_ms"] = median(name, SHORT, "latency", share)
        found[f"{short}_p95_at_10x_ms"] = median(name, LONG, "latency", "p95")
        found[f"{short}_join_bytes"] = median(name, SHORT, "bytes")
        found[f"{short}_missing"] = sum(one["missing"] for one in rounds[name][SHORT])
        if name != "y-websocket":
            found[f"{short}_ack_p95_ms"] = median(name, SHORT, "ack", "p95")
    return {**compared(found), **found}


def compared(found: dict[str, float]) -> dict[str, float]:
    """Return the figures that we promise, for PostgreSQL; SQLite's beside them."""
    ratios: dict[str, float] = {}
    for name, ending in (("postgres", ""), ("sqlite", "_sqlite")):
        if f"{name}_p95_ms" not in found:
            continue
        growth = found[f"{name}_p95_at_10x_ms"] / found[f"{name}_p95_ms"]
        ratios[f"p95_at_10x_document_vs_1x{ending}"] = growth
        for figure, key in (("keystroke_p95", "p95_ms"), ("join_bytes", "join_bytes")):
            if f"y_websocket_{key}" in found:
                ratio = found[f"{name}_{key}"] / found[f"y_websocket_{key}"]
                ratios[f"{figure}_vs_y_websocket{ending}"] = ratio
    return ratios


def main() -> None:
    """Measure, keep, print; the last line is for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="short rounds: does it run at all?")
    parser.add_argument("--only", action="append", help="one of postgres, sqlite, y-websocket")
    chosen = parser.parse_args()
    plan = Plan(rounds=5, seconds=20, keys_per_second=5, words=4000)
    if chosen.quick:
        plan = Plan(rounds=2, seconds=6, keys_per_second=5, words=1000)
    kinds = {"postgres": on_postgres, "y-websocket": y_websocket, "sqlite": on_sqlite}
    with ExitStack() as stack:
        wanted = chosen.only or kinds
        servers = [stack.enter_context(kinds[name]()) for name in wanted]
        rounds = measure(servers, plan)
    figures = {name: round(value, 3) for name, value in figures_of(rounds).items()}
    for name, value in figures.items():
        print(f"{name:45} {value}")
    if not chosen.quick and not chosen.only:
        keep(figures, rounds)
    print(json.dumps({"benchmark": "collab", "figures": figures}))


def keep(figures: dict[str, float], rounds: dict[str, Any]) -> None:
    """Write the figures with the commit that they belong to."""
    RESULTS.parent.mkdir(exist_ok=True)
    about = {"commit": commit(), "cpus": os.cpu_count(), "figures": figures, "rounds": rounds}
    RESULTS.write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    main()
