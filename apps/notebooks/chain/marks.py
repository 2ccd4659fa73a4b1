"""Whose the words of a document are, piece by piece: an output's by its mark, or a person's.

A piece is as much text as stands together in one block under one mark, or under none. Formatting does
not divide pieces; the end of a block, a line break and a chip do.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from apps.notebooks.chain.cells import CELL_TYPES, OUTPUT_MARK, Parameters
from apps.notebooks.document import Node

RESULT = "result"  # what stands in a prompt cell
SOURCE = "source"  # what models are given: instructions, the texts of text cells
Place = tuple[UUID, str]  # a cell, and one of the two


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Some words, and the id of the output whose they are; none for a person's."""

    text: str
    output: str | None = None


_BREAK = Piece(text="")


def pieces_of(node: Node) -> list[Piece]:
    """Return the pieces of a document, or of a part of one, in reading order."""
    return [piece for piece in _woven(node) if piece.text]


def texts_by_output(node: Node) -> dict[str, list[str]]:
    """Return the pieces of each output that stand somewhere in the node."""
    found: dict[str, list[str]] = {}
    for piece in pieces_of(node):
        if piece.output is not None:
            found.setdefault(piece.output, []).append(piece.text)
    return found


def places_of(document: Node) -> dict[Place, Node]:
    """Return the parts of every cell in which words stand; of two cells with one id the first."""
    found: dict[Place, Node] = {}
    for node in _cells(document):
        for place, part in parts_of(node):
            found.setdefault(place, part)
    return found


def parts_of(cell: Node) -> Iterator[tuple[Place, Node]]:
    """Yield the parts of one cell's node."""
    try:
        cell_id = UUID(str(cell.get("attrs", {}).get("cellId")))
    except ValueError:
        return
    if cell["type"] == "textCell":
        yield (cell_id, SOURCE), cell
    for child in cell.get("content", []) if cell["type"] == "promptCell" else []:
        if child["type"] == "cellResult":
            yield (cell_id, RESULT), child
        elif child["type"] == "cellInstruction":
            yield (cell_id, SOURCE), _with_phrases(child, cell)


def _with_phrases(instruction: Node, cell: Node) -> Node:
    """Return the instruction with what its cell's settings say in words, which models are given, too."""
    settings = Parameters.of_cell(cell.get("attrs", {}))
    told = [f"+ {phrase}" for phrase in settings.required]
    told += [f"- {phrase}" for phrase in settings.banned]
    lines = [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in told]
    return {**instruction, "content": [*instruction.get("content", []), *lines]}


def fingerprint(part: Node) -> str:
    """Return a hash of the words and whose they are; empty where there are none."""
    woven = [[piece.text, piece.output] for piece in _woven(part)]
    if not any(text for text, _output in woven):
        return ""
    return hashlib.sha256(json.dumps(woven).encode()).hexdigest()


def _cells(node: Node) -> Iterator[Node]:
    if node.get("type") in CELL_TYPES:
        yield node
        return
    for child in node.get("content", []):
        yield from _cells(child)


def _woven(node: Node) -> Iterator[Piece]:
    """Yield the pieces, and an empty one wherever something divides them."""
    for is_break, some in groupby(_words(node), key=lambda piece: piece is _BREAK):
        if is_break:
            yield _BREAK
            continue
        yield from _joined(some)


def _joined(words: Iterable[Piece]) -> Iterator[Piece]:
    for output, some in groupby(words, key=lambda piece: piece.output):
        yield Piece(text="".join(piece.text for piece in some), output=output)


def _words(node: Node) -> Iterator[Piece]:
    if node["type"] == "text":
        yield Piece(text=str(node.get("text", "")), output=_output_of(node))
        return
    yield _BREAK
    if node["type"] == "cellReference":
        yield Piece(text=f"{{{{{node.get('attrs', {}).get('cellId')}}}}}")
        yield _BREAK
    for child in node.get("content", []):
        yield from _words(child)
    yield _BREAK


def _output_of(text: Node) -> str | None:
    for mark in text.get("marks", []):
        if mark["type"] == OUTPUT_MARK:
            output = mark.get("attrs", {}).get("outputId")
            return str(output) if output else None
    return None
