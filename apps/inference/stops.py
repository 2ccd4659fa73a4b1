"""What the stages of this process listen to between two tokens: "stop this run", "end in peace".

Other processes learn of a stop from the database; here it is only quicker.
"""

import threading
from uuid import UUID

_stopped: set[UUID] = set()
_listening: dict[UUID, int] = {}
_lock = threading.Lock()
draining = threading.Event()  # set when this process is asked to end: stages give their steps back


def listen(run_id: UUID) -> None:
    """Begin to keep the stop of a run for a stage of this process."""
    with _lock:
        _listening[run_id] = _listening.get(run_id, 0) + 1


def leave(run_id: UUID) -> None:
    """End what `listen` began."""
    with _lock:
        _listening[run_id] -= 1
        if not _listening[run_id]:
            del _listening[run_id]
            _stopped.discard(run_id)


def stop(run_id: UUID) -> None:
    """Tell the stages of the run in this process."""
    with _lock:
        if run_id in _listening:
            _stopped.add(run_id)


def is_stopped(run_id: UUID) -> bool:
    """Say whether `stop` was called for the run."""
    return run_id in _stopped
