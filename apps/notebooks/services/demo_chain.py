"""The demo's chain: a brief, and four texts that follow from it."""

import json
import uuid
from typing import Any

from apps.notebooks.document import Node

INTRODUCTION = (
    "Change a line of the brief, and the texts that read it are out of date: Update writes them anew, for "
    "everybody who is looking. What you change by hand stays."
)
BRIEF = (
    "Product: Finch One; Category: housewares, espresso maker; Price: $149.00; Details: hand-pressed, "
    "portable, no cable and no capsules, nine bar by hand, seven parts that can be mended; "
    "For: travelers and small offices"
)


def chain() -> Node:
    """Return the notebook's content; the cells' ids are new each time."""
    ids = {name: str(uuid.uuid4()) for name in ("brief", "tag_line", "short", "post", "long")}
    return {
        "type": "doc",
        "content": [
            _paragraph(INTRODUCTION),
            {
                "type": "textCell",
                "attrs": {"cellId": ids["brief"], "name": "brief"},
                "content": [_paragraph(BRIEF)],
            },
            _prompt(ids, "tag_line", "Write a tag line for", "brief", length="short"),
            _prompt(ids, "short", "Write a short description of", "brief", length="short"),
            _prompt(ids, "post", "Write a LinkedIn post about", "short"),
            _prompt(ids, "long", "Write a long description of", "brief", length="long"),
        ],
    }


def _prompt(ids: dict[str, str], name: str, *asks: str, **params: Any) -> Node:
    """Return a cell that asks with these words for what the cell named last says."""
    *words, reads = asks
    chip = {
        "type": "cellReference",
        "attrs": {"cellId": ids[reads], "mode": "live", "label": reads},
    }
    return {
        "type": "promptCell",
        "attrs": {"cellId": ids[name], "name": name, "params": json.dumps(params)},
        "content": [
            {"type": "cellInstruction", "content": [_text(f"{' '.join(words)} "), chip]},
            {"type": "cellResult", "content": [{"type": "paragraph"}]},
        ],
    }


def _paragraph(text: str) -> Node:
    return {"type": "paragraph", "content": [_text(text)]}


def _text(words: str) -> Node:
    return {"type": "text", "text": words}
