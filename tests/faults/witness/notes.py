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


def notes() -> list[dict[str, Any]]:
    """Return every delivery so far."""
    path = _path()
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _path() -> Path:
    return Path(settings.DATA_DIR) / "witness.jsonl"
