"""What the server does with Yjs updates: examine, merge, squash, compare. Knows neither Django nor rows.

Two facts of pycrdt decide the shape (measured, version 0.14.13): `Doc.get_update` leaves out updates
that still wait for earlier ones, `merge_updates` and `get_update(update, vector)` keep them; and an
update may decode and still be impossible to apply, after which no browser could load the document.
"""

from collections.abc import Sequence

from pycrdt import Decoder, Doc, get_update, merge_updates

EMPTY = b"\x00\x00"  # an update without structs and without deletions


class BadUpdate(ValueError):
    """Bytes that are no update, or that cannot be applied to the document."""


def clean(payload: bytes) -> bytes:
    """Return the update without anything that stands after its end; BadUpdate when it is none."""
    try:
        decoded = bytes(merge_updates(payload))
    except ValueError as error:
        raise BadUpdate(str(error)) from error
    # What decodes to the same length is kept byte for byte as the browser wrote it.
    return payload if len(decoded) == len(payload) else decoded


def merge(updates: Sequence[bytes]) -> bytes:
    """Return one update for many; what waits for an earlier update goes on waiting inside it."""
    return bytes(merge_updates(*updates)) if updates else EMPTY


def missing(update: bytes, vector: bytes) -> bytes:
    """Return what a copy with this state vector lacks of the update."""
    try:
        return bytes(get_update(update, vector))
    except ValueError as error:
        raise BadUpdate(str(error)) from error


def squash(update: bytes) -> bytes:
    """Return the same content in fewer bytes: neighbouring keystrokes become one piece.

    The document joins what it could integrate; what it could not is taken from the update itself.
    """
    doc: Doc = Doc()
    try:
        doc.apply_update(update)
    except (ValueError, RuntimeError) as error:
        raise BadUpdate(str(error)) from error
    waiting = bytes(get_update(update, doc.get_state()))
    return bytes(merge_updates(bytes(doc.get_update()), waiting))


def waits(update: bytes, vector: bytes) -> bool:
    """Say whether something of the update is not in a document with this state vector."""
    rest = Decoder(bytes(get_update(update, vector)))
    return rest.read_var_uint() > 0 or _deletes_beyond(rest, _clocks(vector))


class Mirror:
    """A document in memory, to try updates on before they are stored. Never read from."""

    def __init__(self, *, epoch: object, seq: int, state: bytes) -> None:
        self.epoch = epoch
        self.seq = seq  # of the last stored update that it contains
        self._doc: Doc = Doc(allow_multithreading=True)
        self._doc.apply_update(state)

    def apply(self, update: bytes) -> None:
        """Apply the update; BadUpdate when that is impossible: the mirror is then of no more use."""
        try:
            self._doc.apply_update(update)
        except (ValueError, RuntimeError) as error:
            raise BadUpdate(str(error)) from error

    def apply_news(self, update: bytes) -> bool:
        """Apply the update and say whether anything in it was new."""
        before = self._doc.get_update()
        self.apply(update)
        # What still waits for another update may be unknown: keep it.
        return bool(self._doc.get_update() != before) or waits(update, self._doc.get_state())


def _clocks(vector: bytes) -> dict[int, int]:
    """Return how much of each client's writing a state vector says to be there."""
    decoder = Decoder(vector)
    count = decoder.read_var_uint()
    return {decoder.read_var_uint(): decoder.read_var_uint() for _ in range(count)}


def _deletes_beyond(rest: Decoder, clocks: dict[int, int]) -> bool:
    """Say whether a delete set names something that is not there yet."""
    for _ in range(rest.read_var_uint()):
        clock = clocks.get(rest.read_var_uint(), 0)
        for _range in range(rest.read_var_uint()):
            if rest.read_var_uint() + rest.read_var_uint() > clock:
                return True
    return False
