"""Processes that are there at once: a parent that has imported everything forks each new one.

A death costs seconds when the next process imports the product first, and nothing of that is what the
tests are about. The children share nothing else: whatever they open, they open after the fork.

    python -m tests.faults.nursery      one JSON order per line in, the new process's id per line out
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from tests import servers

NEEDED = (  # by `celery worker` and `manage.py serve`
    "celery.apps.beat",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.apps.worker",
    "celery.beat",
    "celery.concurrency.thread",
    "channels_redis.pubsub",
    "kombu.transport.redis",
    "psycopg_pool",
    "uvicorn",
    "inferencecloud.asgi",
    "inferencecloud.celery",
    "inferencecloud.embedded.transport",
    "inferencecloud.embedded.web",
    "inferencecloud.embedded.work",
    "apps.core.management.commands.serve",
)


class Nursery:
    """The parent, as the tests see it."""

    def __init__(self, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            cwd=servers.ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fork(self, command: list[str], log: Path) -> int:
        """Begin the command in a child; return its id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = json.dumps({"command": command, "log": str(log)})
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the parent; the children are their keepers' business."""
        self._process.kill()
        self._process.wait()


class Forked:
    """A process of the nursery: like servers.Child, begun at once."""

    def __init__(self, nursery: Nursery, command: list[str], *, log: Path) -> None:
        self.nursery, self.command, self.log = nursery, command, log
        self.pid = 0

    def start(self) -> None:
        """Begin it (again)."""
        self.pid = self.nursery.fork(self.command, self.log)

    @property
    def is_running(self) -> bool:
        """Say whether it was started and has not ended; nobody has to wait for it."""
        return Path(f"/proc/{self.pid}").exists()

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.is_running:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)


def serve() -> None:
    """Fork a child for every order."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes the dead away
    import_module("django").setup()
    for name in NEEDED:
        import_module(name)
    assert threading.active_count() == 1, "a fork copies one thread only"
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            become(order)
        print(child, flush=True)


def become(order: dict[str, Any]) -> None:
    """Be the ordered process from now on."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    _python, *rest = order["command"]
    status = 1
    try:
        if rest[0] == "-m":
            sys.argv = rest[1:]
            runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = rest
            runpy.run_path(rest[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
