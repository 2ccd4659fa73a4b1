"""What the server does with Yjs updates: examine, merge, squash, compare. Knows neither Django nor rows.

Two facts of pycrdt decide the shape (measured, version 0.14.13): `Doc.get_update` leaves out updates
that still wait for earlier ones, `merge_updates` and `get_update(update, vector)` keep them; and an
update may decode and still be impossible to apply, after which yrs could not load the document.
"""

from collections.abc import Sequence

from pycrdt import Decoder, Doc, get_update, merge_updates

from apps.notebooks import structs

# yrs panics where it sorts more than twenty pieces that begin alike and are not alike (deleted or not).
MERGED_AT_ONCE = 16
DEPTH_LIMIT = 100  # of types in each other: pages walk along them by recursion
EMPTY = b"\x00\x00"  # an update without structs and without deletions


class BadUpdate(ValueError):
    """Bytes that are no update, or that cannot be applied to the document."""


class TooDeep(BadUpdate):
    """The update nests more into each other than a page could show."""


def clean(payload: bytes) -> bytes:
    """Return the update without anything that stands after its end; BadUpdate when it is none."""
    try:
        structs.examine(payload)  # first: some of what it refuses would end the process below
        decoded = bytes(merge_updates(payload))
    except ValueError as error:
        raise BadUpdate(str(error)) from error
    # What decodes to the same length is kept byte for byte as the browser wrote it.
    return payload if len(decoded) == len(payload) else decoded


def shallow(update: bytes) -> bytes:
    """Return a whole document's update; TooDeep when no page could show it."""
    if structs.depth(update) > DEPTH_LIMIT:
        raise TooDeep("the document is nested too deeply")
    return update


def merge(updates: Sequence[bytes]) -> bytes:
    """Return one update for many; what waits for an earlier update goes on waiting inside it."""
    merged = list(updates)
    while len(merged) > MERGED_AT_ONCE:
        starts = range(0, len(merged), MERGED_AT_ONCE)
        merged = [bytes(merge_updates(*merged[at : at + MERGED_AT_ONCE])) for at in starts]
    return bytes(merge_updates(*merged)) if merged else EMPTY


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
    doc = loaded(update)
    waiting = bytes(get_update(update, doc.get_state()))
    squashed = bytes(merge_updates(bytes(doc.get_update()), waiting))
    # yrs miscounts where somebody has pointed between the halves of an emoji: then it stays as it is.
    return squashed if structs.ends(squashed) == structs.ends(update) else update


def refuse_fault(update: bytes, *, before: bytes) -> None:
    """Raise BadUpdate where the update, and not what waits in the document, is why it cannot be applied."""
    after = merge([before, update])
    if structs.hangs_below_no_type(update, within=after):
        raise BadUpdate("a piece hangs below one that is no type")
    if structs.depth(after) > max(DEPTH_LIMIT, structs.depth(before)):
        raise TooDeep("the document would be nested too deeply")


def loaded(update: bytes) -> Doc:
    """Return the document that all updates, merged into this one, amount to.

    Somebody's piece may have waited for another's, and then turn out to hang below what is no type.
    Yjs drops it there; yrs refuses the whole, so it is dropped first.
    """
    try:
        return _applied(update)
    except BadUpdate:
        return _applied(_defused(update))


def _applied(update: bytes) -> Doc:
    doc: Doc = Doc(allow_multithreading=True)
    try:
        doc.apply_update(update)
    except (ValueError, RuntimeError) as error:
        raise BadUpdate(str(error)) from error
    return doc


def _defused(update: bytes) -> bytes:
    try:
        return structs.defused(update)
    except structs.UnreadableUpdate as error:
        raise BadUpdate(str(error)) from error


def waits(update: bytes, vector: bytes) -> bool:
    """Say whether something of the update is not in a document with this state vector."""
    rest = Decoder(bytes(get_update(update, vector)))
    return rest.read_var_uint() > 0 or _deletes_beyond(rest, _clocks(vector))


class Mirror:
    """A document in memory, to try updates on before they are stored. Never read from."""

    def __init__(self, *, epoch: object, seq: int, state: bytes) -> None:
        self.epoch = epoch
        self.seq = seq  # of the last stored update that it contains
        self._doc = loaded(state)
        self._waiting = missing(state, self._doc.get_state())  # as far as it holds types
        self._deepest = DEPTH_LIMIT  # at most; measured when it might be more

    def apply(self, update: bytes) -> None:
        """Apply the update; BadUpdate when that is impossible: the mirror is then of no more use."""
        types = structs.count_types(update)
        before = 0
        if self._deepest + types > DEPTH_LIMIT and types:
            before = self._deepest = sum(self._depths())
        try:
            self._doc.apply_update(update)
        except (ValueError, RuntimeError) as error:
            raise BadUpdate(str(error)) from error
        if types:
            self._refuse_depth(update, types=types, before=before)

    def apply_news(self, update: bytes) -> bool:
        """Apply the update and say whether anything in it was new."""
        before = self._doc.get_update()
        self.apply(update)
        # What still waits for another update may be unknown: keep it.
        return bool(self._doc.get_update() != before) or waits(update, self._doc.get_state())

    def _refuse_depth(self, update: bytes, *, types: int, before: int) -> None:
        """Raise TooDeep when the update itself makes the document too deep.

        What waits counts against whoever sends it, and for whoever makes it fit: nobody is refused
        for what another has hung below the place.
        """
        is_waiting = waits(update, self._doc.get_state())
        if is_waiting:
            self._waiting = merge([self._waiting, update])
        self._deepest += types
        if self._deepest <= DEPTH_LIMIT:
            return
        stands, hangs = self._depths()
        self._deepest = stands + hangs
        if stands > max(DEPTH_LIMIT, before) or (is_waiting and stands + hangs > DEPTH_LIMIT):
            raise TooDeep("the document would be nested too deeply")

    def _depths(self) -> tuple[int, int]:
        """Return how deep the document is, and what waits for it."""
        self._waiting = missing(self._waiting, self._doc.get_state())
        return structs.depth(bytes(self._doc.get_update())), structs.depth(self._waiting)


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
