"""Product records made up for tests."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from inferencecloud.training.products import LENGTHS

_NOUNS = ("Lamp", "Chair", "Boots", "Kettle", "Scarf", "Bowl", "Guitar")


def write_records(path: Path, count: int, *, text: str | None = None) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            noun = _NOUNS[number % len(_NOUNS)]
            own = text or (
                f"This brown leather {noun.lower()} number {number} is perfect for long evenings at home. "
                f"Crafted with care for $12.50, it lasts."
            )
            record = {
                "id": str(number),
                "category": "homedecor",
                "style": noun.lower(),
                "price": 12.5,
            }
            copy = {key: {"name": f"Brown {noun}", "description": own} for key in LENGTHS}
            file.write(json.dumps({**record, **copy}) + "\n")
    return path


def write_posts(path: Path, count: int, *, body: str | None = None) -> Path:
    """Write gzipped posts of one paragraph each."""
    with gzip.open(path, "wt", encoding="utf-8") as file:
        for number in range(count):
            own = body or (
                f"Last week the Office of Public Words opened its door number {number} to every visitor. "
                "It shows how small teams write plain letters, and what their readers make of them."
            )
            record = {
                "kind": "news",
                "title": f"Plain Letters, Part {number}",
                "deck": "",
                "summary": f"How the Office of Public Words writes letter number {number}.",
                "topics": ["plain-language"],
                "body": own,
            }
            file.write(json.dumps(record) + "\n")
    return path
