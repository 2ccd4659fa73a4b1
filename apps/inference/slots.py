"""How many stages one process writes at once.

A stage keeps a thread of the worker busy for as long as it is written. Without a limit, a few long runs
would leave no thread to deliver finished outputs or to look after the others.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from apps.inference.conf import tempo

_lock = threading.Lock()
_busy: list[str] = []  # the pool of every stage under way
_turned_away: set[str] = set()  # pools whose stages found no place and may still wait


@contextmanager
def place(pool: str) -> Iterator[bool]:
    """Yield whether there is a place for a stage of the pool, and keep it meanwhile."""
    with _lock:
        is_free = len(_busy) < tempo().stages
        if is_free:
            _busy.append(pool)
        else:
            _turned_away.add(pool)
    try:
        yield is_free
    finally:
        if is_free:
            with _lock:
                _busy.remove(pool)


def has_turned_away(pool: str) -> bool:
    """Say whether a stage of the pool found no place, and might still wait for one."""
    with _lock:
        return pool in _turned_away


def forget_turned_away(pool: str) -> None:
    """Note that nobody waits any more."""
    with _lock:
        _turned_away.discard(pool)
