"""Look into a Yjs update (encoding v1) without applying it.

Whoever may edit may send any bytes, and some of them harm: yrs decodes nested values and deletes nested
types by recursion, so that deep ones end the process; what JavaScript cannot read ends every page; and
a piece that hangs below one which is no type is dropped by Yjs, but makes yrs refuse the document.
What a browser of ours sends is never any of these.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

NUMBER_LIMIT = 2**53  # what JavaScript counts exactly
CLOCK_LIMIT = 2**31
VALUE_DEPTH_LIMIT = 64  # of lists and objects in each other, inside one value

GC, DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, DOC, SKIP = range(11)
_NAMED_TYPES = (3, 5)  # XmlElement and XmlHook are followed by a name
_TYPES = 7  # that JavaScript knows
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN, _HAS_KEY = 0x80, 0x40, 0x20
_VALUES_OF_FIXED_SIZE = {127: 0, 126: 0, 124: 4, 123: 8, 122: 8, 121: 0, 120: 0}

Id = tuple[int, int]  # client, clock


class UnreadableUpdate(ValueError):
    """Bytes that are no update which a browser could read."""


@dataclass(frozen=True, slots=True)
class Struct:
    """One piece of an update: `length` clocks from `clock` on, written at `start` to `end`."""

    client: int
    clock: int
    length: int
    kind: int
    parent: Id | None  # where it says so itself
    sibling: Id | None  # the piece whose parent is its own, too
    refers_ahead: bool  # to what its own client has not written before it
    start: int
    end: int


def read(update: bytes) -> list[Struct]:
    """Return the pieces in the order in which they are written; UnreadableUpdate when it is none."""
    try:
        return list(_Reader(update).structs())
    except (IndexError, UnicodeDecodeError) as error:
        raise UnreadableUpdate("the update is cut off, or its text is none") from error


def examine(update: bytes) -> None:
    """Raise UnreadableUpdate unless a browser may have written the update."""
    for one in read(update):
        if one.length == 0:  # yrs may write that, where it cuts one in two
            raise UnreadableUpdate("a piece takes no room")
        if one.refers_ahead:  # JavaScript does not wait for it, but fails
            raise UnreadableUpdate("a piece refers to what follows it")


def count_types(update: bytes) -> int:
    """Return how many elements, texts and the like the update brings."""
    return sum(one.kind == TYPE for one in read(update))


def depth(update: bytes) -> int:
    """Return how deep the types of the update lie in each other; what is missing lies at the top."""
    return _Tree(read(update)).depth()


def ends(update: bytes) -> dict[int, int]:
    """Return the clock at which the last piece of each client ends."""
    found: dict[int, int] = {}
    for one in read(update):
        found[one.client] = max(found.get(one.client, 0), one.clock + one.length)
    return found


def hangs_below_no_type(update: bytes, *, within: bytes) -> bool:
    """Say whether a piece of the update names a parent which in the whole document holds nothing."""
    tree = _Tree(read(within))
    named = [one.parent for one in read(update) if one.parent is not None]
    return any(tree.is_no_type(parent) for parent in named)


def defused(update: bytes) -> bytes:
    """Return the whole document with that dropped which Yjs drops: what lies below no type."""
    structs = read(update)
    tree = _Tree(structs)
    parts = []
    at = 0
    for one in structs:
        if one.parent is not None and tree.is_no_type(one.parent):
            parts += [update[at : one.start], b"\x00", _number(one.length)]
            at = one.end
    return b"".join([*parts, update[at:]])


def _number(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    out.append(number)
    return bytes(out)


class _Reader:
    """Walks along the bytes; nothing in it calls itself."""

    def __init__(self, update: bytes) -> None:
        self._bytes = update
        self._at = 0

    def structs(self) -> Iterator[Struct]:
        """Yield every piece."""
        for _client in range(self._number()):
            count = self._number()
            client = self._number()
            clock = self._number()
            for _ in range(count):
                one = self._struct(client, clock)
                clock += one.length
                if clock >= CLOCK_LIMIT:
                    raise UnreadableUpdate("a clock is too high")
                yield one

    def _struct(self, client: int, clock: int) -> Struct:
        start = self._at
        info = self._byte()
        kind = info & 0x1F
        parent = sibling = right = None
        if kind in (GC, SKIP):
            if info != kind:
                raise UnreadableUpdate("a gap has properties")
            length = self._number()
        else:
            if info & _HAS_ORIGIN:
                sibling = self._id()
            if info & _HAS_RIGHT_ORIGIN:
                right = self._id()
                sibling = sibling or right
            if sibling is None:
                parent = self._parent()
                if info & _HAS_KEY:
                    self._skip_string()
            length = self._content(kind)
        ahead = any(
            one and one[0] == client and one[1] >= clock for one in (parent, sibling, right)
        )
        return Struct(client, clock, length, kind, parent, sibling, ahead, start, self._at)

    def _parent(self) -> Id | None:
        """Return the parent; None for what lies at the top under a name."""
        if self._number() == 1:
            self._skip_string()
            return None
        return self._id()

    def _content(self, kind: int) -> int:
        """Go past the content and return how many clocks it takes."""
        if kind == DELETED:
            return self._number()
        if kind == STRING:
            text = self._take(self._number()).decode()
            return len(text) + sum(character > "\uffff" for character in text)
        if kind in (JSON, ANY):
            count = self._number()
            for _ in range(count):
                self._skip_string() if kind == JSON else self._skip_value()
            return count
        if kind == TYPE:
            self._skip_type()
        elif kind in (BINARY, EMBED, FORMAT, DOC):
            self._skip_string()
            if kind == FORMAT:
                self._skip_string()
            elif kind == DOC:
                self._skip_value()
        else:
            message = f"content of the unknown kind {kind}"
            raise UnreadableUpdate(message)
        return 1

    def _skip_type(self) -> None:
        name = self._number()
        if name in _NAMED_TYPES:
            self._skip_string()
        elif name >= _TYPES:
            message = f"a type of the unknown kind {name}"
            raise UnreadableUpdate(message)

    def _skip_value(self) -> None:
        """Go past one value; what lies in each other is counted and not called."""
        left = [1]  # values still to come, in each list or object that we are in
        keyed = [False]
        while left:
            if left[-1] == 0:
                left.pop()
                keyed.pop()
                continue
            left[-1] -= 1
            if keyed[-1]:
                self._skip_string()
            kind = self._byte()
            if kind in (117, 118):
                left.append(self._number())
                keyed.append(kind == 118)
                if len(left) > VALUE_DEPTH_LIMIT:
                    raise UnreadableUpdate("a value is nested too deeply")
            elif kind in (116, 119):
                self._skip_string()
            elif kind == 125:
                while self._byte() >= 0x80:
                    pass
            elif kind in _VALUES_OF_FIXED_SIZE:
                self._take(_VALUES_OF_FIXED_SIZE[kind])
            else:
                message = f"a value of the unknown kind {kind}"
                raise UnreadableUpdate(message)

    def _id(self) -> Id:
        return self._number(), self._number()

    def _byte(self) -> int:
        byte = self._bytes[self._at]
        self._at += 1
        return byte

    def _number(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            shift += 7
            if number >= NUMBER_LIMIT or shift > 63:
                raise UnreadableUpdate("a number is too high")
            if byte < 0x80:
                return number

    def _skip_string(self) -> None:
        self._take(self._number())

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._bytes):
            raise UnreadableUpdate("the update is cut off")
        taken = self._bytes[self._at : end]
        self._at = end
        return taken


class _Tree:
    """Says where pieces hang; nothing in it calls itself either."""

    def __init__(self, structs: list[Struct]) -> None:
        self._structs = structs
        self._by_client: dict[int, list[Struct]] = {}
        for one in structs:
            self._by_client.setdefault(one.client, []).append(one)
        self._clocks = {
            client: [one.clock for one in held] for client, held in self._by_client.items()
        }
        self._holders: dict[Id, Id | None] = {}  # of pieces: the type that they lie in

    def is_no_type(self, wanted: Id) -> bool:
        """Say whether there is something that never holds anything."""
        found = self._find(wanted)
        return found is not None and found.kind not in (TYPE, GC, DELETED, SKIP)

    def depth(self) -> int:
        """Return the length of the longest chain of types."""
        depths: dict[Id, int] = {}
        for one in self._structs:
            if one.kind != TYPE:
                continue
            path: list[Id] = []
            at: Id | None = (one.client, one.clock)
            while at is not None and at not in depths:
                path.append(at)
                at = self._holder(at)
                if len(path) > len(self._structs):
                    break  # a circle, which only pieces that wait can form
            below = depths.get(at, 0) if at is not None else 0
            for place in reversed(path):
                below += 1
                depths[place] = below
        return max(depths.values(), default=0)

    def _holder(self, wanted: Id) -> Id | None:
        """Return the type in which the piece lies; None at the top, or where that is missing."""
        path: list[Id] = []
        at = self._find(wanted)
        holder: Id | None = None
        while at is not None and len(path) <= len(self._structs):
            here = at.client, at.clock
            if here in self._holders:
                holder = self._holders[here]
                break
            path.append(here)
            if at.sibling is None:
                holder = at.parent
                break
            at = self._find(at.sibling)
        for here in path:
            self._holders[here] = holder
        return holder

    def _find(self, wanted: Id) -> Struct | None:
        client, clock = wanted
        clocks = self._clocks.get(client, [])
        place = bisect_right(clocks, clock) - 1
        if place < 0:
            return None
        found = self._by_client[client][place]
        return found if clock < found.clock + found.length else None
