"""Many people at once on production: where it stands, what gives way first, what one more process buys.

    python benchmarks/load.py [--quick]

Two web processes, a default worker, an inference worker, the schedule, PostgreSQL and two Redis, with the
commands of docker/compose.yml (tests/topology.py), all on this machine and beside their clients. Ten
notebooks hold 5 editors and 20 viewers each, on sockets; every editor types two letters a second all the
time; ten people press Update in chains of three cells; four browsers' worth of pages are fetched.

`keystroke_p95_ms` is from a key to each peer, `page_p95_ms` from a request for a list or a notebook to the
last byte, `ttft_overhead_ms` (median) from a press of Update to the first words on the presser's socket with
an engine that writes at once. `starter_*` are the same with the model in models/starter, which takes the
processor from everybody else here. `idle_sockets_mb_per_1000` is what 1,000 sockets that only listen add to
the web processes; then all web processes are killed and started again, and `storm_back_s` is the time from
the moment they listen until all 2,000 sockets are back, `storm_errors` what a listening server refused, and
`storm_late` the attempts that were given up because no welcome came within the 3 s that a page waits.
`gain_of_one_more_web` divides the acknowledged letters per second of three web processes by those of two, in
a flood in which every editor types as fast as letters are acknowledged; `cpu_*` are cores in that flood.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.inside.people import Browser, Figures, Presser  # noqa: E402
from benchmarks.inside.processes import cpu_of, memory_of  # noqa: E402
from benchmarks.inside.record import commit  # noqa: E402
from tests.servers import Production, production, temporary_folder, wait_until  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "load.json"
EDITORS, VIEWERS, NOTEBOOKS, PRESSERS, BROWSERS = 50, 200, 10, 10, 4
SCRIPTED = "apps.inference.host.scripted_engine"
STARTER = "apps.inference.host.local_engine"
KEYS_PER_SECOND = 2.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long, and how many."""

    seconds: float  # of typing
    flood_s: float
    sockets: int


@dataclass
class Bench:
    """The servers with people in them."""

    made: Production
    filled: dict[str, Any]

    def config(self, task: str, webs: int | None = None, **more: Any) -> dict[str, Any]:
        """Return what the client is to do, on the first so many web processes."""
        return {
            "task": task,
            "webs": [web.url for web in self.made.webs[:webs]],
            "notebooks": self.filled["notebooks"],
            "sessions": self.filled["sessions"],
            "editors": EDITORS,
            "keysPerSecond": KEYS_PER_SECOND,
            **more,
        }

    def inside(self, *words: str) -> dict[str, Any]:
        """Run the inner part in the servers' environment."""
        command = [sys.executable, "-m", "benchmarks.inside.load", *words]
        return last_line(
            subprocess.run(
                command, env=self.made.env, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
            ).stdout
        )

    def parts(self) -> dict[str, int]:
        """Return the process of each part."""
        webs = {f"web{number}": web.pid for number, web in enumerate(self.made.webs)}
        work = {name: child.pid for name, child in self.made.work.items()}
        stores = {name: getattr(self.made, name).pid for name in ("postgres", "redis", "cache")}
        return webs | work | stores

    def begin_work(self, engine: str) -> None:
        """Start the workers and the schedule anew with the engine; return once they listen."""
        for child in self.made.work.values():
            child.kill()
        self.made.keys["INFERENCE_ENGINE"] = engine
        self.made.start_work()
        presser = self.pressers()[0]
        wait_until(lambda: presser.press() is not None, "somebody writes", 120)

    def pressers(self) -> list[Presser]:
        """Return an editor for each notebook."""
        return [
            Presser(
                url=self.made.webs[number % len(self.made.webs)].url,
                notebook=self.filled["notebooks"][number % NOTEBOOKS],
                session=self.filled["sessions"][number],
                cells=self.filled["cells"],
            )
            for number in range(PRESSERS)
        ]

    def browsers(self) -> list[Browser]:
        """Return people who go from page to page."""
        return [
            Browser(
                url=self.made.webs[number % len(self.made.webs)].url,
                session=self.filled["sessions"][EDITORS + number],
                paths=[
                    f"/o/{self.filled['slug']}/notebooks/",
                    f"/n/{self.filled['notebooks'][number]}/",
                ],
            )
            for number in range(BROWSERS)
        ]


class Client:
    """collab_client's people, in a Node process of their own."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        path = folder / f"{config['task']}.json"
        path.write_text(json.dumps(config))
        self.process = subprocess.Popen(
            ["node", str(ROOT / "benchmarks" / "load_client.mjs"), str(path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self) -> dict[str, Any]:
        """Return the next line."""
        heard: dict[str, Any] = json.loads(pipe(self.process.stdout).readline())
        return heard

    def tell(self, word: str) -> None:
        """Say that something happens to the servers."""
        told = pipe(self.process.stdin)
        told.write(word + "\n")
        told.flush()


def pipe(stream: IO[str] | None) -> IO[str]:
    """Return the stream, which was asked for."""
    return cast("IO[str]", stream)


@contextmanager
def client_of(config: dict[str, Any]) -> Iterator[Client]:
    """Yield a client that has joined."""
    with temporary_folder() as folder:
        client = Client(config, folder)
        try:
            yield client
        finally:
            client.process.kill()
            client.process.wait()


def working_day(bench: Bench, seconds: float) -> dict[str, Any]:
    """Let everybody do everything at once; return what each felt."""
    with client_of(bench.config("type", 2, seconds=seconds)) as client:
        client.hear()
        before, begun = cpu_of(bench.parts()), time.monotonic()
        with ThreadPoolExecutor(PRESSERS + BROWSERS) as threads:
            until = begun + seconds
            presses = [threads.submit(one.press_until, until) for one in bench.pressers()]
            pages = [threads.submit(one.browse_until, until) for one in bench.browsers()]
            typed = client.hear()
            took = time.monotonic() - begun
            cores = shares(before, cpu_of(bench.parts()), took)
            memory = memory_of(bench.parts())
            first, browsed = collected(presses), collected(pages)
    return {
        "typed": typed,
        "first_words_ms": Figures.of(first),
        "pages_ms": Figures.of(browsed),
        "cores": cores,
        "client_cores": typed["clientCpuS"] / took,
        "memory_mb": memory,
    }


def collected(futures: list[Future[list[float]]]) -> list[float]:
    """Return what all of them measured."""
    return [one for future in futures for one in future.result()]


def flood(bench: Bench, webs: int, seconds: float) -> dict[str, Any]:
    """Type as fast as letters are acknowledged; return letters per second and cores per part."""
    with client_of(bench.config("flood", webs, seconds=seconds)) as client:
        client.hear()
        before = cpu_of(bench.parts())
        found = client.hear()
        found["cores"] = shares(before, cpu_of(bench.parts()), seconds)
        found["client_cores"] = found["clientCpuS"] / seconds
    return found


def idle_and_storm(bench: Bench, sockets: int) -> dict[str, Any]:
    """Open sockets that only listen, weigh them, kill every web process and wait for all to be back."""
    webs = {name: pid for name, pid in bench.parts().items() if name.startswith("web")}
    before = sum(memory_of(webs).values())
    with client_of(bench.config("idle", sockets=sockets)) as client:
        joined = client.hear()
        time.sleep(2)
        grown = sum(memory_of(webs).values()) - before
        client.tell("dying")
        client.hear()
        killed = time.monotonic()
        for web in bench.made.webs:
            web.kill()
        with ThreadPoolExecutor(len(bench.made.webs)) as threads:
            list(threads.map(lambda web: web.start(), bench.made.webs))
        down_s = time.monotonic() - killed
        client.tell("up")
        back = client.hear()
    return {"joined": joined, "mb_per_1000": grown / sockets * 1000, "down_s": down_s, **back}


def shares(before: dict[str, float], after: dict[str, float], seconds: float) -> dict[str, float]:
    """Return how many cores each part kept busy."""
    return {name: round((after[name] - before[name]) / seconds, 2) for name in before}


def last_line(said: str) -> dict[str, Any]:
    """Return the JSON at the end of what a program said."""
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def measure(plan: Plan) -> dict[str, Any]:
    """Do everything in turn; return the rounds."""
    with production(webs=2, ALLOWED_HOSTS="127.0.0.1,testserver", LOG_LEVEL="ERROR") as made:
        bench = Bench(made, {})
        bench.filled = bench.inside("fill", str(EDITORS), str(VIEWERS), str(NOTEBOOKS))
        bench.begin_work(SCRIPTED)
        found: dict[str, Any] = {"scripted": told("scripted", working_day(bench, plan.seconds))}
        for webs in (1, 2):
            found[f"flood_{webs}"] = told(f"flood {webs}", flood(bench, webs, plan.flood_s))
        found["idle"] = told("idle", idle_and_storm(bench, plan.sockets))
        made.add_web()
        found["flood_3"] = told("flood 3", flood(bench, 3, plan.flood_s))
        bench.begin_work(STARTER)
        found["starter"] = told("starter", working_day(bench, plan.seconds))
        found["starter"]["engine"] = bench.inside("first_tokens")
    return found


def told(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """Print a part as soon as it is measured."""
    print(f"{name}: {json.dumps(found)}", flush=True)
    return found


def figures_of(found: dict[str, Any]) -> dict[str, float | str]:
    """Return the figures in a line each."""
    day, starter, idle = found["scripted"], found["starter"], found["idle"]
    two, three = found["flood_2"], found["flood_3"]
    cores = two["cores"]
    figures: dict[str, float | str] = {
        "keystroke_p95_ms": day["typed"]["latency"]["p95"],
        "page_p95_ms": day["pages_ms"]["p95"],
        "ttft_overhead_ms": day["first_words_ms"]["p50"],
        "idle_sockets_mb_per_1000": idle["mb_per_1000"],
        "storm_back_s": idle["backAfterUpS"],
        "storm_errors": idle["errors"] + idle["away"],
        "storm_late": idle["late"],
        "gain_of_one_more_web": three["keysPerS"] / two["keysPerS"],
        "gain_of_the_second_web": two["keysPerS"] / found["flood_1"]["keysPerS"],
        "keys_per_s_of_two_webs": two["keysPerS"],
        "busiest_in_flood": max(cores, key=lambda name: cores[name]),
        "keystroke_p50_ms": day["typed"]["latency"]["p50"],
        "missing_keys": day["typed"]["missing"] + starter["typed"]["missing"],
        "ttft_overhead_p95_ms": day["first_words_ms"]["p95"],
        "starter_keystroke_p95_ms": starter["typed"]["latency"]["p95"],
        "starter_page_p95_ms": starter["pages_ms"]["p95"],
        "starter_ttft_ms": starter["first_words_ms"]["p50"],
        **{f"cpu_{name}": share for name, share in cores.items()},
        "cpu_client": two["client_cores"],
        **{f"memory_{name}_mb": mb for name, mb in day["memory_mb"].items()},
        "memory_inference_with_starter_mb": starter["memory_mb"]["inference"],
    }
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in figures.items()
    }


def main() -> None:
    """Measure, keep, print; the last line is for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="short: does it run at all?")
    is_quick = parser.parse_args().quick
    quick, full = (
        Plan(seconds=8, flood_s=4, sockets=400),
        Plan(seconds=30, flood_s=12, sockets=2000),
    )
    found = measure(quick if is_quick else full)
    figures = figures_of(found)
    for name, value in figures.items():
        print(f"{name:35} {value}")
    if not is_quick:
        keep(figures, found)
    print(json.dumps({"benchmark": "load", "figures": figures}))


def keep(figures: dict[str, float | str], found: dict[str, Any]) -> None:
    """Write the figures with the commit that they belong to."""
    RESULTS.parent.mkdir(exist_ok=True)
    about = {"commit": commit(), "cpus": os.cpu_count(), "figures": figures, "rounds": found}
    RESULTS.write_text(json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    main()
