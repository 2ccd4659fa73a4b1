"""What travels on a notebook's socket: binary frames for the document, small JSON for the rest.

Binary frames begin with their kind. Numbers are Yjs' variable-length unsigned integers.

    SYNC       server -> the joiner: number of the last update, then what the joiner lacks
    CHANGES    server -> everybody else: first and last number, then the updates
    UPDATE     browser -> server: the browser's own number for it, then one update
    RESEND     the same, for an update whose acknowledgement may have been lost
    AWARENESS  both ways: carets, in the encoding of y-protocols

JSON from the browser: hello, ping, resync. JSON to it: welcome, ack, refused, level, gone, diverged,
reload, pong, and every event of the notebook's topic.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

SYNC, CHANGES, AWARENESS, UPDATE, RESEND = range(5)
LARGEST_NUMBER = 2**53 - 1  # what JavaScript counts exactly
LARGEST_DIGITS = len(str(LARGEST_NUMBER))
TEXT_LIMIT = 64 * 1024
VECTOR_LIMIT = 48 * 1024
AWARENESS_LIMIT = 4 * 1024


class Malformed(ValueError):
    """A frame that no browser of ours would send."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hello:
    """How a browser introduces itself: what it runs, and what it already has."""

    schema: int
    client: int  # the Y.Doc's client id, under which its caret is announced
    epoch: uuid.UUID | None
    seq: int  # every update up to this number is in its copy
    vector: bytes | None  # Yjs state vector of its copy


@dataclass(frozen=True, kw_only=True, slots=True)
class Resync:
    """A browser's request for everything after a number."""

    seq: int
    vector: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """One update of the browser's person."""

    id: int
    payload: bytes
    resent: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Caret:
    """Presence of one browser; state is None once it has left."""

    client: int
    clock: int
    state: dict[str, Any] | None


def write_number(number: int) -> bytes:
    """Return the variable-length form of the number."""
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    out.append(number)
    return bytes(out)


def read_number(frame: bytes, at: int) -> tuple[int, int]:
    """Return the number at the position, and where the rest begins."""
    number = shift = 0
    while shift < 56:
        if at >= len(frame):
            raise Malformed("a number is cut off")
        byte = frame[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise Malformed("a number is too long")


def parse_text(text: str) -> dict[str, Any]:
    """Return the JSON object of a text frame."""
    if len(text) > TEXT_LIMIT:
        raise Malformed("a text frame is too long")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("a text frame is no JSON") from error
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise Malformed("a text frame is no object with a type")
    return content


def parse_hello(content: dict[str, Any]) -> Hello:
    """Return the introduction; Malformed when a field is missing or strange."""
    try:
        epoch = content.get("epoch")
        vector = content.get("vector")
        return Hello(
            schema=_number(content["schema"]),
            client=_number(content["client"]),
            epoch=uuid.UUID(epoch) if epoch is not None else None,
            seq=_number(content.get("seq", 0)),
            vector=decode_vector(vector) if vector is not None else None,
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Malformed("hello lacks something") from error


def parse_query(query: Mapping[str, str]) -> Hello:
    """Return the introduction from the query of an HTTP request."""
    numbers = {name: query.get(name, "0") for name in ("schema", "since")}
    for number in numbers.values():
        if not (number.isascii() and number.isdigit()) or len(number) > LARGEST_DIGITS:
            raise Malformed("schema and since are numbers")
    return parse_hello(
        {
            "schema": int(numbers["schema"]),
            "client": 0,
            "epoch": query.get("epoch"),
            "seq": int(numbers["since"]),
            "vector": query.get("vector"),
        }
    )


def parse_resync(content: dict[str, Any]) -> Resync:
    """Return the request; Malformed when a field is missing or strange."""
    vector = content.get("vector")
    return Resync(
        seq=_number(content.get("seq")),
        vector=decode_vector(vector) if vector is not None else None,
    )


def decode_vector(text: str) -> bytes:
    """Return the state vector from its Base64; Malformed when it is none."""
    try:
        vector = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise Malformed("the state vector is no Base64") from error
    if len(vector) > VECTOR_LIMIT:
        raise Malformed("the state vector is too long")
    count, at = read_number(vector, 0)
    for _ in range(2 * count):
        _number_read, at = read_number(vector, at)
    if at != len(vector):
        raise Malformed("the state vector is no state vector")
    return vector


def parse_update(frame: bytes) -> Update:
    """Return the update of a binary frame (its payload still unexamined)."""
    number, at = read_number(frame, 1)
    return Update(id=_number(number), payload=frame[at:], resent=frame[0] == RESEND)


def parse_awareness(frame: bytes, limit: int | None = AWARENESS_LIMIT) -> list[Caret]:
    """Return the carets of a binary frame; from our own processes it may be long."""
    if limit is not None and len(frame) > limit:
        raise Malformed("a caret is too long")
    count, at = read_number(frame, 1)
    carets = []
    for _ in range(count):
        client, at = read_number(frame, at)
        clock, at = read_number(frame, at)
        length, at = read_number(frame, at)
        carets.append(Caret(client=client, clock=clock, state=_state(frame[at : at + length])))
        at += length
    if at != len(frame):
        raise Malformed("a caret is cut off")
    return carets


def _state(text: bytes) -> dict[str, Any] | None:
    """Return the caret; Malformed when we could not pass on what Python's JSON takes in.

    Half a surrogate pair cannot be encoded again, and NaN is no JSON to a browser: either would end
    the answer to everybody who joins.
    """
    try:
        state = json.loads(text)
        json.dumps(state, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise Malformed("a caret is no JSON") from error
    if state is not None and not isinstance(state, dict):
        raise Malformed("a caret is no object")
    return state


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_NUMBER:
        message = f"wanted a number, got {type(value).__name__}"
        raise Malformed(message)
    return value


def sync_frame(seq: int, updates: Iterable[bytes]) -> bytes:
    """Return the answer to a joiner."""
    return b"".join([bytes([SYNC]), write_number(seq), *_listed(updates)])


def changes_frame(first: int, last: int, updates: Iterable[bytes]) -> bytes:
    """Return the frame that relays the updates first … last (without the receiver's own)."""
    return b"".join([bytes([CHANGES]), write_number(first), write_number(last), *_listed(updates)])


def awareness_frame(carets: Iterable[Caret]) -> bytes:
    """Return the frame that announces the carets."""
    listed = list(carets)
    parts = [bytes([AWARENESS]), write_number(len(listed))]
    for caret in listed:
        state = json.dumps(caret.state, ensure_ascii=False, separators=(",", ":")).encode()
        parts += [write_number(caret.client), write_number(caret.clock)]
        parts += [write_number(len(state)), state]
    return b"".join(parts)


def json_frame(kind: str, **fields: Any) -> str:
    """Return the JSON of a message to the browser."""
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))


def _listed(updates: Iterable[bytes]) -> list[bytes]:
    parts = []
    for update in updates:
        parts += [write_number(len(update)), update]
    return parts
