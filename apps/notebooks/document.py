"""Read and write a notebook's document: Yjs updates outside, ProseMirror JSON inside.

The encoding is y-prosemirror's, so that the editor meets what it would have written itself: the
fragment "document" holds XmlElements named after their node type; neighbouring text nodes share one
XmlText; a mark is a formatting attribute whose value is the mark's attributes; attributes that are
null are left out. pycrdt measures XmlText in UTF-8 bytes, hence the appending at `len(text)`.
"""

import re
from collections.abc import Collection, Iterable
from itertools import groupby
from math import isfinite
from typing import Any

from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from apps.core.errors import DomainError
from apps.notebooks import crdt

FRAGMENT = "document"
Node = dict[str, Any]  # ProseMirror JSON: {"type", "attrs"?, "content"?, "marks"?, "text"?}

# y-prosemirror adds a hash to the name of marks that may overlap themselves.
_HASHED_MARK = re.compile(r"^(.*)--[a-zA-Z0-9+/=]{8}$")
# What the editor's schema fills in; written here too, so that opening a notebook changes nothing.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "heading": {"level": 1},
    "orderedList": {"start": 1},
    "taskItem": {"checked": False},
    "tableCell": {"colspan": 1, "rowspan": 1},
    "tableHeader": {"colspan": 1, "rowspan": 1},
    "image": {"alt": ""},
}
_BLOCKS_OF_TEXT = {"paragraph", "heading", "codeBlock"}


class UnreadableDocument(DomainError):
    """Bytes that are no Yjs update."""


def blank() -> Node:
    """Return the document of a new notebook: one empty paragraph."""
    return {"type": "doc", "content": [{"type": "paragraph"}]}


def encode(document: Node) -> bytes:
    """Return the update that writes the document into an empty one."""
    doc: Doc = Doc()
    fragment = doc.get(FRAGMENT, type=XmlFragment)
    with doc.transaction():
        write_nodes(fragment, document.get("content", []))
    return bytes(doc.get_update())


def decode(state: bytes) -> Node:
    """Return the document that an update, or all updates merged, amounts to."""
    return read(load(state))


def read(doc: Doc) -> Node:
    """Return the document that stands in a Doc of Yjs."""
    return {"type": "doc", "content": _content(doc.get(FRAGMENT, type=XmlFragment))}


def read_only(doc: Doc, tags: Collection[str]) -> Node:
    """Return the document with no other blocks than those of the tags; the others are not read."""
    blocks = doc.get(FRAGMENT, type=XmlFragment).children
    wanted = [one for one in blocks if isinstance(one, XmlElement) and one.tag in tags]
    return {"type": "doc", "content": [_element_node(one) for one in wanted]}


def read_element(element: XmlElement) -> Node:
    """Return one element of it, with what lies in it."""
    return _element_node(element)


def plain_text(node: Node) -> str:
    """Return the words only: a line for each block, a tab between the cells of a table's row."""
    return "\n".join(_lines(node)).strip("\n")


def image_sources(state: bytes) -> set[str]:
    """Return the addresses of the pictures that the document shows."""
    found = _elements(load(state).get(FRAGMENT, type=XmlFragment), "image")
    return {str(image.attributes.get("src")) for image in found}


def copy(state: bytes, *, sources: dict[str, str]) -> bytes:
    """Return the document as one update without what was deleted, pictures' addresses replaced."""
    doc = load(state)
    _redirect_(doc, sources)
    return bytes(doc.get_update())


def redirect(state: bytes, *, sources: dict[str, str]) -> bytes:
    """Return the update with pictures' addresses replaced; what waits in it goes on waiting."""
    doc = load(state)
    before = doc.get_state()
    _redirect_(doc, sources)
    return crdt.merge([state, bytes(doc.get_update(before))])


def load(state: bytes) -> Doc:
    """Return the document of Yjs that an update, or all updates merged, amounts to."""
    try:
        return crdt.loaded(state)
    except crdt.BadUpdate as refusal:
        message = f"wanted a Yjs update, got {len(state)} bytes that are none"
        raise UnreadableDocument(message) from refusal


def _redirect_(doc: Doc, sources: dict[str, str]) -> None:
    for image in list(_elements(doc.get(FRAGMENT, type=XmlFragment), "image")):
        source = image.attributes.get("src")
        if source in sources:
            image.attributes["src"] = sources[source]


def _elements(parent: XmlFragment | XmlElement, tag: str) -> Iterable[XmlElement]:
    for child in parent.children:
        if isinstance(child, XmlElement):
            if child.tag == tag:
                yield child
            yield from _elements(child, tag)


def write_nodes(parent: XmlFragment | XmlElement, nodes: list[Node]) -> None:
    """Append the nodes, in their order, to an element of a Yjs document."""
    for is_text, run in groupby(nodes, key=lambda node: node["type"] == "text"):
        if is_text:
            text = XmlText()
            parent.children.append(text)
            for node in run:
                text.insert(len(text), node["text"], _formatting(node))
            continue
        for node in run:
            element = XmlElement(node["type"], _attributes(node))
            parent.children.append(element)
            write_nodes(element, node.get("content", []))


def _attributes(node: Node) -> dict[str, Any]:
    merged = {**_DEFAULTS.get(node["type"], {}), **node.get("attrs", {})}
    return {name: value for name, value in merged.items() if value is not None}


def _formatting(node: Node) -> dict[str, Any]:
    return {mark["type"]: _attributes(mark) for mark in node.get("marks", [])}


def _content(parent: XmlFragment | XmlElement) -> list[Node]:
    nodes: list[Node] = []
    for child in parent.children:
        if isinstance(child, XmlText):
            nodes.extend(_text_nodes(child))
        elif isinstance(child, XmlElement):
            nodes.append(_element_node(child))
    return nodes


def _element_node(element: XmlElement) -> Node:
    node: Node = {"type": element.tag}
    if attributes := {name: _whole(value) for name, value in _pairs(element)}:
        node["attrs"] = attributes
    if content := _content(element):
        node["content"] = content
    return node


def _pairs(element: XmlElement) -> Iterable[tuple[str, Any]]:
    return element.attributes.__iter__()  # its declared type lacks what makes it an iterator


def _text_nodes(text: XmlText) -> list[Node]:
    nodes: list[Node] = []
    for words, formatting in text.diff():
        node: Node = {"type": "text", "text": _whole(words)}
        if marks := [_mark(name, value) for name, value in (formatting or {}).items()]:
            node["marks"] = sorted(marks, key=lambda mark: mark["type"])
        nodes.append(node)
    return nodes


def _mark(name: str, value: Any) -> Node:  # JSON
    hashed = _HASHED_MARK.match(name)
    mark: Node = {"type": hashed.group(1) if hashed else name}
    if isinstance(value, dict) and value:
        mark["attrs"] = _whole(value)
    return mark


def _whole(value: Any) -> Any:  # JSON
    """Return the value with whole numbers as int: Yjs knows one kind of number, JavaScript's.

    What PostgreSQL keeps in no text and in no JSON is left out: the character NUL, NaN and infinity.
    """
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return value


def _lines(node: Node) -> list[str]:
    children = node.get("content", [])
    if node["type"] in _BLOCKS_OF_TEXT:
        return ["".join(_words(child) for child in children)]
    if node["type"] == "tableRow":
        return ["\t".join(" ".join(_lines(cell)) for cell in children)]
    return [line for child in children for line in _lines(child)]


def _words(node: Node) -> str:
    if node["type"] == "hardBreak":
        return "\n"
    return str(node.get("text", ""))
