"""Take words out of a document for good.

Letters keep their ids of Yjs: what was taken out stays as a number of letters without the letters. So
a copy that lacks nothing is known to lack nothing, who wrote what remains known, and what a browser
still has to send fits in. Yjs does the same to deleted text once nobody can undo it.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from apps.notebooks import crdt, document
from apps.notebooks.chain.cells import TOGETHER, Parameters
from apps.notebooks.structs import ANY, DELETED, FORMAT, JSON, SKIP, STRING, Struct, read

OUTPUT_MARK = "output"
LINK_MARK = "link"
WORDS_IN_ATTRIBUTES = {"alt", "title", "name", "label", "required", "banned"}  # that a person types

_TEXT = 0x77  # what a value of the kind ANY begins with, if it is a text
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_KEY = 0x80, 0x40, 0x20


def without_past(state: bytes) -> bytes:
    """Return the document as one update with what stands in it, and nothing besides."""
    settled = bytes(crdt.loaded(state).get_update())
    shown = set(_links(document.decode(settled)))
    return _rewritten(settled, lambda piece: piece.without_link(kept=shown))


def without_clients(state: bytes, clients: Collection[int]) -> bytes:
    """Return the document without its past and without what was written under these ids of Yjs."""
    settled = bytes(crdt.loaded(state).get_update())
    gone = _rewritten(
        settled, lambda piece: piece.without_words() if piece.struct.client in clients else None
    )
    return without_past(gone)


def without_output(state: bytes, output_id: str) -> bytes:
    """Return the document without its past and without the words that carry the output's mark."""
    doc: Doc = crdt.loaded(state)
    with doc.transaction():
        for text in list(_texts(doc.get(document.FRAGMENT, type=XmlFragment))):
            for start, end in reversed(list(_marked(text, output_id))):
                del text[start:end]
    return without_past(bytes(doc.get_update()))


def without_pictures(state: bytes, sources: Collection[str]) -> bytes:
    """Return the document without the pictures of these addresses."""
    doc: Doc = crdt.loaded(state)
    with doc.transaction():
        _drop_pictures(doc.get(document.FRAGMENT, type=XmlFragment), sources)
    return bytes(doc.get_update())


def caught_up(copy: bytes, *, state: bytes) -> bytes:
    """Return what a copy of an earlier epoch has besides, put into the document as it is now.

    Letters that the document has lost are known to it by their ids, so the copy's are not taken.
    """
    doc: Doc = crdt.loaded(state)
    try:
        doc.apply_update(copy)
    except (ValueError, RuntimeError) as error:
        raise crdt.BadUpdate(str(error)) from error
    return bytes(doc.get_update())


def clients_of(update: bytes) -> set[int]:
    """Return the ids of Yjs under which something of the update was written."""
    return {one.client for one in read(update) if one.kind != SKIP}


def _texts(parent: XmlFragment | XmlElement) -> Iterable[XmlText]:
    for child in parent.children:
        if isinstance(child, XmlText):
            yield child
        elif isinstance(child, XmlElement):
            yield from _texts(child)


def _drop_pictures(parent: XmlFragment | XmlElement, sources: Collection[str]) -> None:
    children = list(parent.children)
    for place in reversed(range(len(children))):
        child = children[place]
        if not isinstance(child, XmlElement):
            continue
        if child.tag == "image" and child.attributes.get("src") in sources:
            del parent.children[place]
        else:
            _drop_pictures(child, sources)


def _marked(text: XmlText, output_id: str) -> Iterable[tuple[int, int]]:
    """Yield where words of the output stand, in UTF-8 bytes."""
    at = 0
    for words, marks in text.diff():
        size = len(words.encode()) if isinstance(words, str) else 1
        for name, value in (marks or {}).items():
            is_output = name.partition("--")[0] == OUTPUT_MARK and isinstance(value, dict)
            if is_output and value.get("outputId") == output_id:
                yield at, at + size
        at += size


def _links(node: document.Node) -> Iterable[object]:
    for mark in node.get("marks", []):
        if mark["type"] == LINK_MARK:
            yield mark.get("attrs", {}).get("href")
    for child in node.get("content", []):
        yield from _links(child)


class _Piece:
    """One piece of an update, that can be written anew as long as it takes as many clocks."""

    def __init__(self, update: bytes, struct: Struct, key_of: Callable[[Struct], str]) -> None:
        self.struct = struct
        self._bytes = update
        self._key_of = key_of

    def without_words(self) -> bytes | None:
        """Return the piece without what a person typed; None where there is nothing of the kind."""
        kind = self.struct.kind
        if kind == STRING:
            return self._with(DELETED, _number(self.struct.length))
        key = self._key_of(self.struct) if kind in (ANY, JSON) else ""
        if key in WORDS_IN_ATTRIBUTES:
            return self._with(ANY, _number(self.struct.length) + b"\x77\x00" * self.struct.length)
        if key == TOGETHER and self.struct.length == 1:
            return self._without_phrases()
        return self.without_link(kept=())

    def _without_phrases(self) -> bytes:
        """Return the settings of a cell without what is to be said or not."""
        at = content_at(self._bytes, self.struct) + 1  # past the number of values
        is_text = self.struct.kind == ANY and self._bytes[at] == _TEXT
        written = _string(self._bytes, at + 1)[0] if is_text else ""
        settings = replace(Parameters.of_cell({TOGETHER: written}), required=(), banned=())
        anew = json.dumps(settings.as_json()).encode()
        return self._with(ANY, bytes([1, _TEXT]) + _number(len(anew)) + anew)

    def without_link(self, *, kept: Collection[object]) -> bytes | None:
        """Return a mark that leads nowhere in place of a link that is not among these."""
        if self.struct.kind != FORMAT:
            return None
        at = content_at(self._bytes, self.struct)
        name, after = _string(self._bytes, at)
        value, _end = _string(self._bytes, after)
        target = json.loads(value)
        if name.partition("--")[0] != LINK_MARK or not isinstance(target, dict):
            return None
        if target.get("href") in kept:
            return None
        return self._with(FORMAT, self._bytes[at:after] + b"\x04null")

    def _with(self, kind: int, content: bytes) -> bytes:
        start = self.struct.start
        info = (self._bytes[start] & 0xE0) | kind
        head = self._bytes[start + 1 : content_at(self._bytes, self.struct)]
        return bytes([info]) + head + content


def _rewritten(update: bytes, change: Callable[[_Piece], bytes | None]) -> bytes:
    """Return the update with those pieces written anew for which `change` gives other bytes."""
    found = read(update)
    key_of = _Keys(update, found).of
    parts = []
    at = 0
    for struct in found:
        anew = change(_Piece(update, struct, key_of))
        if anew is not None:
            parts += [update[at : struct.start], anew]
            at = struct.end
    if not parts:
        return update
    return bytes(crdt.loaded(b"".join([*parts, update[at:]])).get_update())


class _Keys:
    """Finds the name of the attribute that a piece sets: only the first to set it says so."""

    def __init__(self, update: bytes, structs: list[Struct]) -> None:
        self._bytes = update
        self._by_client: dict[int, list[Struct]] = {}
        for one in structs:
            self._by_client.setdefault(one.client, []).append(one)
        self._clocks = {
            client: [one.clock for one in held] for client, held in self._by_client.items()
        }

    def of(self, struct: Struct) -> str:
        """Return the name; empty for what is in a list or a text."""
        at: Struct | None = struct
        for _ in range(len(self._bytes)):
            if at is None:
                return ""
            if at.sibling is None:
                return _key(self._bytes, at)
            client, clock = at.sibling
            place = bisect_right(self._clocks.get(client, []), clock) - 1
            at = self._by_client[client][place] if place >= 0 else None
        return ""


def _key(update: bytes, struct: Struct) -> str:
    if not update[struct.start] & _HAS_KEY:
        return ""
    return _string(update, _after_parent(update, struct))[0]


def content_at(update: bytes, struct: Struct) -> int:
    """Return where the content of the piece begins."""
    info, at = update[struct.start], struct.start + 1
    for flag in (_HAS_ORIGIN, _HAS_RIGHT_ORIGIN):
        if info & flag:
            at = _past_numbers(update, at, 2)
    if info & (_HAS_ORIGIN | _HAS_RIGHT_ORIGIN):
        return at
    at = _after_parent(update, struct)
    return _string(update, at)[1] if info & _HAS_KEY else at


def _after_parent(update: bytes, struct: Struct) -> int:
    """Return where the parent has been named (only pieces without neighbours name it)."""
    is_named, at = _read_number(update, struct.start + 1)
    return _string(update, at)[1] if is_named else _past_numbers(update, at, 2)


def _string(update: bytes, at: int) -> tuple[str, int]:
    size, at = _read_number(update, at)
    return update[at : at + size].decode(), at + size


def _past_numbers(update: bytes, at: int, count: int) -> int:
    for _ in range(count):
        at = _read_number(update, at)[1]
    return at


def _read_number(update: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = update[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def _number(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    out.append(number)
    return bytes(out)
