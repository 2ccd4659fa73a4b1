"""Who holds a lease: a name that says on which machine, in which process and in which stage.

A process that dies on the machine of whoever looks is known to be gone at once; for all others the lease
has to run out. Being wrong here costs double work and nothing else: the fence keeps the outputs right.
"""

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from uuid import uuid4


def mine() -> str:
    """Return a name for one stage of this process."""
    return f"{_here()}:{os.getpid()}:{uuid4().hex[:12]}"


def _here() -> str:
    return socket.gethostname()[:40]


def gone(owners: Iterable[str]) -> set[str]:
    """Return those owners whose process was on this machine and has ended."""
    return {owner for owner in owners if _is_gone(owner)}


def _is_gone(owner: str) -> bool:
    machine, _, rest = owner.partition(":")
    process, _, _stage = rest.partition(":")
    if machine != _here() or not process.isdigit():
        return False
    with suppress(PermissionError):
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return True
    return False
