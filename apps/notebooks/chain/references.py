"""References between cells: `{{brief}}`, `{{launch/tagline}}`, `{{launch/tagline@released}}`.

Logic-less on purpose: a reference names a cell and nothing else. No template engine, no expression
and no attribute access ever sees what people write.
"""

import re
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Mode = Literal["live", "released"]

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_WRITTEN = re.compile(
    r"\{\{\s*(?:(?P<notebook>[a-z0-9][a-z0-9-]{0,79})/)?(?P<cell>[a-z][a-z0-9_]{0,40})"
    r"(?P<released>@released)?\s*\}\}"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CellKey:
    """A cell's address. Cell ids alone repeat when a notebook is duplicated."""

    notebook: UUID
    cell: UUID

    def __str__(self) -> str:
        return f"{self.notebook}:{self.cell}"

    @classmethod
    def parse(cls, text: str) -> "CellKey":
        """Return the key of `notebook:cell`; raise ValueError for anything else."""
        notebook, _, cell = text.partition(":")
        return cls(notebook=UUID(notebook), cell=UUID(cell))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A chip: a cell held by its ids, so that renaming never breaks it."""

    target: CellKey
    mode: Mode = "live"


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenReference:
    """A reference typed or pasted in braces, still held by names only."""

    notebook: str  # slug; empty for the notebook at hand
    cell: str
    mode: Mode = "live"

    def __str__(self) -> str:
        place = f"{self.notebook}/" if self.notebook else ""
        return f"{place}{self.cell}{'@released' if self.mode == 'released' else ''}"


Part = str | Reference | WrittenReference


def split(text: str) -> list[str | WrittenReference]:
    """Return the text cut at its written references; whatever is not exactly one stays text."""
    parts: list[str | WrittenReference] = []
    end = 0
    for match in _WRITTEN.finditer(text):
        if match.start() > end:
            parts.append(text[end : match.start()])
        mode: Mode = "released" if match["released"] else "live"
        parts.append(
            WrittenReference(notebook=match["notebook"] or "", cell=match["cell"], mode=mode)
        )
        end = match.end()
    if end < len(text):
        parts.append(text[end:])
    return parts


def as_name(wish: str) -> str:
    """Return the nearest valid cell name to what a person typed ("Tag line 2" -> "tag_line_2")."""
    folded = re.sub(r"[^a-z0-9]+", "_", wish.strip().lower()).strip("_")
    if not folded or not folded[0].isalpha():
        folded = f"cell_{folded}".rstrip("_")
    return folded[:41]


def distinct_names(wishes: list[str]) -> list[str]:
    """Return the names in order, with a suffix where an earlier cell has the same one already."""
    wanted = [as_name(wish) for wish in wishes]
    taken: set[str] = set()
    shown = []
    for name in wanted:
        free, number = name, 1
        while free in taken or (number > 1 and free in wanted):
            number += 1
            suffix = f"_{number}"
            free = name[: 41 - len(suffix)] + suffix
        taken.add(free)
        shown.append(free)
    return shown
