"""May a run still be written? Asked of the app that owns its subject, once time has passed since the press.

A run may wait for a place or for a worker; meanwhile whoever began it may have lost the right, or the
place may be closed. An app registers one function per kind of subject, by its dotted path.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils.module_loading import import_string

from apps.inference.models import Run

FRESH_S = 5.0  # what was right when somebody pressed holds for so long

_gates: dict[str, str] = {}


def register(kind: str, path: str) -> None:
    """Ask the function at the dotted path about runs of subjects of this kind."""
    _gates[kind] = path


def unregister(kind: str) -> None:
    """Let every run of such subjects pass."""
    _gates.pop(kind, None)


def is_open(run: Run, now: datetime) -> bool:
    """Say whether the run may be written now."""
    path = _gates.get(run.subject_kind)
    if path is None or now - run.created_at < timedelta(seconds=FRESH_S):
        return True
    may_go_on: Callable[[Run], bool] = import_string(path)
    return may_go_on(run)
