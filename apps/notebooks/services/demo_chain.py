"""The demo's chain: a brief, and four texts that follow from it."""

import uuid
from typing import Any

from apps.notebooks.chain.cells import as_attributes
from apps.notebooks.document import Node

CAREFUL = 1  # how adventurous
SHORT_LIMIT = {"unit": "sentences", "high": 3}
X_LIMIT = {"unit": "characters", "high": 280}

INTRODUCTION = (
    "Update, above, has a model write the four texts, for everybody who is looking. Then change a line of "
    "the brief: what was made from it is out of date, and Update writes it anew. What you change by hand "
    "stays."
)
# A backpack, because the model that comes along knows accessories better than coffee.
BRIEF = (
    "Product: Finch Canvas Backpack",
    "Category: accessories, backpack",
    "Price: $129.00",
    "Details: water-resistant, padded straps, roomy main compartment",
    "For: commuters and weekend travelers",
)


def chain() -> Node:
    """Return the notebook's content; the cells' ids are new each time."""
    ids = {name: str(uuid.uuid4()) for name in ("brief", "short", "x_post", "post", "newsletter")}
    return {
        "type": "doc",
        "content": [
            _paragraph(INTRODUCTION),
            {
                "type": "textCell",
                "attrs": {"cellId": ids["brief"], "name": "brief"},
                "content": [_paragraph(*BRIEF)],
            },
            _prompt(ids, "short", "Write a short description of", "brief", limit=SHORT_LIMIT),
            _prompt(ids, "x_post", "Write a post for X about", "brief", limit=X_LIMIT),
            _prompt(ids, "post", "Write a LinkedIn post about", "short"),
            _prompt(ids, "newsletter", "Write a newsletter text about", "brief", length="long"),
        ],
    }


def _prompt(ids: dict[str, str], name: str, *asks: str, **params: Any) -> Node:
    """Return a cell that asks with these words for what the cell named last says."""
    *words, reads = asks
    settings = {"adventurous": CAREFUL, **params}
    chip = {
        "type": "cellReference",
        "attrs": {"cellId": ids[reads], "mode": "live", "label": reads},
    }
    return {
        "type": "promptCell",
        "attrs": {"cellId": ids[name], "name": name, **as_attributes(settings)},
        "content": [
            {"type": "cellInstruction", "content": [_text(f"{' '.join(words)} "), chip]},
            {"type": "cellResult", "content": [{"type": "paragraph"}]},
        ],
    }


def _paragraph(*lines: str) -> Node:
    content: list[Node] = []
    for line in lines:
        content += [_text(line), {"type": "hardBreak"}]
    return {"type": "paragraph", "content": content[:-1]}


def _text(words: str) -> Node:
    return {"type": "text", "text": words}
