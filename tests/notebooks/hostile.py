"""Updates that no browser of ours writes, byte by byte."""

Id = tuple[int, int]


def number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | (value & 0x7F))
        value >>= 7
    out.append(value)
    return bytes(out)


def string(text: str) -> bytes:
    return number(len(text.encode())) + text.encode()


WORDS = (4, string("x"))
ELEMENT = (7, number(3) + string("blockquote"))


def piece(parent: Id | str, content: tuple[int, bytes] = WORDS) -> bytes:
    """Return a piece below another, or at the top under a name."""
    kind, written = content
    if isinstance(parent, str):
        return bytes([kind]) + number(1) + string(parent) + written
    return bytes([kind]) + number(0) + number(parent[0]) + number(parent[1]) + written


def after(left: Id, right: Id) -> bytes:
    """Return words between two others."""
    kind, written = WORDS
    return bytes([kind | 0xC0]) + b"".join(number(part) for part in (*left, *right)) + written


def update(client: int, clock: int, *pieces: bytes, deletes: bytes = b"\x00") -> bytes:
    """Return the update of one client, from a clock on."""
    head = number(1) + number(len(pieces)) + number(client) + number(clock)
    return head + b"".join(pieces) + deletes


def nested(count: int, *, client: int = 9, clock: int = 0, below: Id | str = "document") -> bytes:
    """Return elements in each other."""
    pieces = [piece(below, ELEMENT)]
    pieces += [piece((client, clock + one), ELEMENT) for one in range(count - 1)]
    return update(client, clock, *pieces)


def value(depth: int) -> tuple[int, bytes]:
    """Return the content of a list of lists of lists."""
    return 8, number(1) + b"\x75\x01" * depth + b"\x7e"
