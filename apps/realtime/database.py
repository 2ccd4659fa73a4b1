"""Run database work of sockets off the event loop, on a few threads that keep their connections.

channels' own `database_sync_to_async` runs everything on one thread and closes the connection each
time; an update that waits for its acknowledgement has no time for either.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connections

THREADS = 4

P = ParamSpec("P")
T = TypeVar("T")
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


async def in_database(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what the call returns, run on one of the threads."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(), partial(_on_thread, call, *args, **kwargs))


def close_threads() -> None:
    """End the threads and with them their connections (the end of a test, of a process)."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        closing = threading.Barrier(THREADS)
        for _ in range(THREADS):
            pool.submit(_close_here, closing)
        pool.shutdown(wait=True)


def _threads() -> ThreadPoolExecutor:
    global _pool  # noqa: PLW0603
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(THREADS, thread_name_prefix="sockets-database")
        return _pool


def _on_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return call(*args, **kwargs)
    except (DatabaseError, InterfaceError):
        # The server may have gone away: the next call starts with a connection of its own.
        connections.close_all()
        raise


def _close_here(everyone: threading.Barrier) -> None:
    everyone.wait(timeout=10)  # so that each thread takes one of these calls
    connections.close_all()
