"""What production runs, as docker/ says it: the one place that tests and benchmarks take commands from.

Nothing is written here a second time. A command is read from docker/compose.yml (or the image's own, for
web processes) and only put on a port and a folder of this machine. tests/deployment/test_topology.py
compares what then runs with what is written there.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
WORK = ("worker", "inference", "beat")  # beside the web processes
STORES = ("redis", "cache")
MEANT_FOR_CONTAINERS = {"--host", "--port", "--schedule", "--hostname", "--dir", "--bind"}


def services() -> dict[str, dict[str, Any]]:
    """Return the services of docker/compose.yml by name."""
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yml").read_text())
    listed: dict[str, dict[str, Any]] = loaded["services"]
    return listed


def written_command(service: str) -> list[str]:
    """Return the command of a service as docker/ has it."""
    command: list[str] | None = services()[service].get("command")
    if command is None:  # it runs what the image runs
        dockerfile = (DOCKER / "Dockerfile").read_text()
        command = json.loads(re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)[-1])
    return command


def web_command(port: int) -> list[str]:
    """Return the command of a web process on a port of this machine."""
    return _here(written_command("web"), **{"--host": "127.0.0.1", "--port": str(port)})


def work_command(service: str, folder: Path) -> list[str]:
    """Return the command of a worker, or of the schedule; containers have host names of their own."""
    command = written_command(service)
    if "--schedule" in command:
        return _here(command, **{"--schedule": str(folder / "schedule")})
    return _here(command, **{"--hostname": f"{service}@here"})


def store_flags(service: str) -> list[str]:
    """Return what a Redis is started with."""
    _program, *flags = written_command(service)
    return flags


def essence(command: list[str]) -> list[str]:
    """Return what of a command is the same here and in a container."""
    if command[:1] == [sys.executable]:
        command = command[command.index("-m") + 1 :]
    left: list[str] = []
    words = iter(command)
    for word in words:
        if word in MEANT_FOR_CONTAINERS:
            next(words)
        else:
            left.append(word)
    return left


def _here(command: list[str], **values: str) -> list[str]:
    """Return the command for the interpreter of the tests, with other values of some flags."""
    words = list(command)
    for flag, value in values.items():
        if flag in words:
            words[words.index(flag) + 1] = value
        else:
            words += [flag, value]
    return [sys.executable, "-m", *words]
