"""Read the cells out of a document, and write a result into one.

A text cell is {type: textCell, attrs: {cellId, name}, content: blocks}. A prompt cell is
{type: promptCell, attrs: {cellId, name, and one for each setting}, content: [cellInstruction of text
and cellReference chips, cellResult of blocks]}. Text that a model wrote carries the mark `output`
{outputId, variant}.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal
from unicodedata import category
from uuid import UUID

from pycrdt import Doc, Map, XmlElement, XmlFragment

from apps.inference.specs import LIMIT_HIGH, normal
from apps.notebooks import crdt
from apps.notebooks.chain.graph import CellSpec
from apps.notebooks.chain.references import CellKey, Part, Reference, split
from apps.notebooks.document import FRAGMENT, Node, plain_text, write_nodes
from inferencecloud.engine import Limit

CELL_TYPES = {"textCell": "text", "promptCell": "prompt"}
OUTPUT_MARK = "output"
PHRASES_LIMIT, PHRASE_CHARS = 20, 80
UNITS: tuple[Literal["characters", "words", "sentences"], ...] = (
    "characters",
    "words",
    "sentences",
)
UNPRINTABLE = {"Cc", "Cs"}  # control characters and halves of characters


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What a person sets for a prompt cell, in their words (product.md: no jargon)."""

    length: str = "medium"  # short | medium | long
    adventurous: int = 2  # 0 plain … 4 daring
    variants: int = 1  # 1 to 4
    required: tuple[str, ...] = ()  # phrases that the text is to say
    banned: tuple[str, ...] = ()  # phrases that it must not say
    limit: Limit | None = None  # how long the text is to be at most
    variant_limit = 4

    @classmethod
    def of_cell(cls, attrs: Mapping[str, object]) -> "Parameters":
        """Return the parameters of a prompt cell; static/notebooks/chain/settings.js reads the same.

        Each is an attribute of its own, as JSON, so that two people who set two of them both have
        their way. Cells of before have all of them as one object in `params`.
        """
        own = {name: attrs[name] for name in SETTINGS if attrs.get(name) is not None}
        return cls.parse(
            _json_object(attrs.get(TOGETHER)) | {name: _json(own[name]) for name in own}
        )

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> "Parameters":
        """Return the parameters of these values; what makes no sense becomes the default."""
        length = values.get("length")
        return cls(
            length=length if length in ("short", "medium", "long") else "medium",
            adventurous=_within(values.get("adventurous"), low=0, high=4, default=2),
            variants=_within(values.get("variants"), low=1, high=cls.variant_limit, default=1),
            required=_phrases(values.get("required")),
            banned=_phrases(values.get("banned")),
            limit=limit_of(values.get("limit")),
        )

    def as_json(self) -> dict[str, object]:
        """Return the parameters as they enter hashes and runs; what is not set to something is left out."""
        limit = self.limit and {"unit": self.limit.unit, "high": self.limit.high}
        phrases = {"required": list(self.required), "banned": list(self.banned)}
        return {
            "length": self.length,
            "adventurous": self.adventurous,
            "variants": self.variants,
            **{name: some for name, some in phrases.items() if some},
            **({"limit": limit} if limit else {}),
        }


SETTINGS = tuple(field.name for field in fields(Parameters))
TOGETHER = "params"


def as_attributes(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the attributes of a prompt cell with these settings."""
    return {name: json.dumps(value) for name, value in settings.items()}


def cells_of(document: Node, notebook: UUID) -> list[CellSpec]:
    """Return the document's cells in order; of two nodes with one id (a pasted copy) the first.

    `output_id` is set when all of a result carries one output's mark; whether words were taken away
    from it shows only beside the output's own text (`staleness.stands_untouched`).
    """
    found: dict[UUID, CellSpec] = {}
    for node in _cell_nodes(document):
        cell_id = _uuid(node.get("attrs", {}).get("cellId"))
        if cell_id is not None and cell_id not in found:
            found[cell_id] = _spec(node, CellKey(notebook=notebook, cell=cell_id))
    return list(found.values())


def _cell_nodes(node: Node) -> list[Node]:
    if node.get("type") in CELL_TYPES:
        return [node]
    return [found for child in node.get("content", []) for found in _cell_nodes(child)]


def _spec(node: Node, key: CellKey) -> CellSpec:
    attrs = node.get("attrs", {})
    name = str(attrs.get("name") or "")
    if node["type"] == "textCell":
        return CellSpec(key=key, name=name, kind="text", text=plain_text(node))
    instruction = _child(node, "cellInstruction")
    result = _child(node, "cellResult")
    return CellSpec(
        key=key,
        name=name,
        kind="prompt",
        parts=tuple(_parts(instruction, key.notebook)),
        params=Parameters.of_cell(attrs).as_json(),
        text=plain_text(result),
        output_id=_only_output(result),
    )


def _child(node: Node, kind: str) -> Node:
    children = node.get("content", [])
    return next((child for child in children if child["type"] == kind), {"type": kind})


def _parts(instruction: Node, here: UUID) -> list[Part]:
    """Return text and references in order; neighbouring texts are one, as the person reads them."""
    parts: list[Part] = []
    text = ""
    for node in instruction.get("content", []):
        reference = _reference(node, here) if node["type"] == "cellReference" else None
        if reference is None:
            text += "\n" if node["type"] == "hardBreak" else str(node.get("text", ""))
            continue
        parts += [*split(text), reference]
        text = ""
    return parts + split(text)


def _reference(node: Node, here: UUID) -> Reference | None:
    attrs = node.get("attrs", {})
    cell = _uuid(attrs.get("cellId"))
    notebook = _uuid(attrs.get("notebookId")) if attrs.get("notebookId") else here
    if cell is None or notebook is None:
        return None
    target = CellKey(notebook=notebook, cell=cell)
    return Reference(target=target, mode="released" if attrs.get("mode") == "released" else "live")


def _only_output(result: Node) -> str | None:
    """Return the output that all of the result's text is marked with; None when anything is not."""
    texts = _texts(result)
    plain = {block["type"] for block in result.get("content", [])} <= {"paragraph"}
    if not texts or not plain:
        return None
    marks = {json.dumps(text.get("marks", []), sort_keys=True) for text in texts}
    first = texts[0].get("marks", [])
    if len(marks) != 1 or len(first) != 1 or first[0]["type"] != OUTPUT_MARK:
        return None
    output = first[0].get("attrs", {}).get("outputId")
    return str(output) if output else None


def _texts(node: Node) -> list[Node]:
    if node["type"] == "text":
        return [node]
    return [found for child in node.get("content", []) for found in _texts(child)]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A model's text as it enters a document."""

    text: str
    output_id: str
    variant: int

    def content(self) -> list[Node]:
        """Return the paragraphs, each wholly under the output's mark."""
        mark = {
            "type": OUTPUT_MARK,
            "attrs": {"outputId": self.output_id, "variant": self.variant},
        }
        return [
            {"type": "paragraph", "content": [{"type": "text", "text": line, "marks": [mark]}]}
            for line in normal(self.text).split("\n")
        ]


class NoSuchCell(LookupError):
    """The document has no prompt cell of that id (any more)."""


ORIGINS = "origins"  # the map in which static/notebooks/chain/births.js finds who wrote what
EVERYTHING = 2**31  # characters: all that the client of one update writes


class Results:
    """The results of a document's prompt cells, found once to be replaced one by one.

    Each update is made on the document as it was given: those of several cells go together.
    """

    def __init__(self, state: bytes) -> None:
        """Take all updates of the document, merged."""
        self._state = state
        self._unused: Doc | None = crdt.loaded(state)
        fragment = self._unused.get(FRAGMENT, type=XmlFragment)
        self._places = dict(reversed(list(_result_places(fragment))))  # of one id the first

    def replace(self, cell: UUID, content: list[Node], *, of: Result | None = None) -> bytes:
        """Return the update that puts the content in place of the cell's result.

        Args:
            cell: id of a prompt cell.
            content: blocks; an empty list leaves one empty paragraph.
            of: the model's text that all of the content is, to be known for good.
        """
        place = self._places.get(cell)
        if place is None:
            message = f"wanted a prompt cell {cell}, got a document without it"
            raise NoSuchCell(message)
        doc, self._unused = (
            self._unused or crdt.loaded(self._state),
            None,
        )  # its client wrote nothing
        before = doc.get_state()
        result: Any = doc.get(FRAGMENT, type=XmlFragment)
        for index in place:
            result = result.children[index]
        with doc.transaction():
            if len(result.children):
                del result.children[0 : len(result.children)]
            write_nodes(result, content or [{"type": "paragraph"}])
            if of is not None:
                origins = doc.get(ORIGINS, type=Map)
                origins[str(doc.client_id)] = 1
                origins[f"{doc.client_id}.0"] = [EVERYTHING, of.output_id, of.variant]
        return bytes(doc.get_update(before))


def _result_places(
    parent: XmlFragment | XmlElement, path: tuple[int, ...] = ()
) -> Iterator[tuple[UUID, tuple[int, ...]]]:
    """Yield each prompt cell with the way to its result, as indexes of children."""
    for index, child in enumerate(parent.children):
        if not isinstance(child, XmlElement):
            continue
        here = (*path, index)
        if child.tag not in CELL_TYPES:
            yield from _result_places(child, here)
            continue
        cell = _uuid(child.attributes.get("cellId")) if child.tag == "promptCell" else None
        tags = [part.tag if isinstance(part, XmlElement) else "" for part in child.children]
        if cell is not None and "cellResult" in tags:
            yield cell, (*here, tags.index("cellResult"))


def replace_result(
    state: bytes, cell: UUID, content: list[Node], *, of: Result | None = None
) -> bytes:
    """Return the update that replaces one cell's result (Results.replace)."""
    return Results(state).replace(cell, content, of=of)


def results_of(document: Node) -> dict[UUID, list[Node]]:
    """Return the blocks that stand in the result of each prompt cell; of one id the first."""
    found: dict[UUID, list[Node]] = {}
    for node in _cell_nodes(document):
        cell = _uuid(node.get("attrs", {}).get("cellId"))
        if cell is not None and node["type"] == "promptCell":
            found.setdefault(cell, list(_child(node, "cellResult").get("content", [])))
    return found


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _json(written: object) -> object:
    try:
        return json.loads(str(written))
    except (ValueError, RecursionError):
        return None


def _json_object(written: object) -> dict[str, Any]:
    value = _json(written)
    return value if isinstance(value, dict) else {}


def limit_of(value: object) -> Limit | None:
    """Return a cell's limit; static/notebooks/chain/limits.js does the same."""
    given = value if isinstance(value, dict) else {}
    unit = next((one for one in UNITS if one == given.get("unit")), None)
    high = given.get("high")
    if unit is None or isinstance(high, bool) or not isinstance(high, int | float):
        return None
    is_one = 1 <= high <= LIMIT_HIGH and high == int(high)
    return Limit(unit=unit, high=int(high)) if is_one else None


def _phrases(value: object) -> tuple[str, ...]:
    """Return the phrases of a list, each once; static/notebooks/chain/wording.js does the same."""
    found: dict[str, str] = {}
    for one in value if isinstance(value, list | tuple) else ():
        phrase = " ".join(one.split()) if isinstance(one, str) else ""
        if 0 < len(phrase) <= PHRASE_CHARS and not UNPRINTABLE & set(map(category, phrase)):
            found.setdefault(phrase.lower(), phrase)
    return tuple(found.values())[:PHRASES_LIMIT]


def _within(value: object, *, low: int, high: int, default: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return default
    return min(max(int(value), low), high)
