"""A line per delivery, in a file that survives every death."""

import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.inference.outbox import Message


def take(message: Message) -> None:
    """Note it, durably, in one write."""
    note = {"id": message.id, "kind": message.kind, **message.payload}
    descriptor = os.open(_path(), os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, (json.dumps(note) + "\n").encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def notes(run: str) -> list[dict[str, Any]]:
    """Return every delivery of the run so far; not one of which another process writes the line."""
    path = _path()
    written = path.read_text().split("\n")[:-1] if path.exists() else []
    return [note for line in written if run in line if (note := json.loads(line))["run"] == run]


def _path() -> Path:
    return Path(settings.DATA_DIR) / "witness.jsonl"
