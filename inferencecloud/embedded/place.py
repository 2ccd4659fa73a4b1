"""What must be true of the machine before anything starts; each refusal says what to do about it."""

import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import IO


class CannotServe(RuntimeError):
    """The place does not allow a start; the words are for the person at the terminal."""


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address, so that nobody else takes it while we get ready."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        # Bound is not enough: two sockets with SO_REUSEADDR may share a port until one of them listens.
        bound.listen(2048)
    except (OSError, OverflowError) as refusal:
        bound.close()
        raise CannotServe(_why_no_address(refusal, host, port)) from refusal
    bound.set_inheritable(True)
    return bound


def _why_no_address(refusal: Exception, host: str, port: int) -> str:
    if isinstance(refusal, OverflowError):
        return f"PORT must be between 1 and 65535, got {port}."
    code = refusal.errno if isinstance(refusal, OSError) else None
    if code == errno.EADDRINUSE:
        return (
            f"Port {port} is taken: another program listens there. "
            f"Stop it, or take another port: PORT={port + 1} make run"
        )
    if code == errno.EACCES:
        return f"Port {port} is reserved for the system. Take one above 1023: PORT=8000 make run"
    return f"Cannot listen on {host}:{port}: {refusal}"


def own_data_dir(data_dir: Path) -> IO[str]:
    """Make the folder if need be and hold it; the kernel lets go of it however this process ends."""
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data_dir / "serve.lock").open("a")
    except OSError as refusal:
        message = (
            f"Cannot write to {data_dir}: {refusal.strerror or refusal}. "
            "Name a folder of yours: DATA_DIR=~/inferencecloud make run"
        )
        raise CannotServe(message) from refusal
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as refusal:
        lock.close()
        message = (
            f"InferenceCloud already runs on the data in {data_dir}. "
            "Stop it, or give this one its own: DATA_DIR=~/another make run"
        )
        raise CannotServe(message) from refusal
    _refuse_read_only(data_dir)
    return lock


def _refuse_read_only(data_dir: Path) -> None:
    """Try a write: the lock of an earlier start opens in a folder that has since become read-only."""
    probe = data_dir / f".write-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as refusal:
        message = f"Cannot write to {data_dir}: {refusal.strerror or refusal}."
        raise CannotServe(message) from refusal


def built_front_end(built: Path) -> Path:
    """Return the folder of built browser files; refuse when the build is missing or stopped halfway."""
    missing = [
        name
        for name in ("core/app.css", "core/shell.js", "core/icons.svg")
        if not (built / name).is_file()
    ]
    if missing:
        message = f"The browser's files are not built ({', '.join(missing)}). Run: make setup"
        raise CannotServe(message)
    return built
