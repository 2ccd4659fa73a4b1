"""How many characters of an output still stand in a document.

The mark tells which characters are an output's; of each output those are counted. Adopted characters
have ids of Yjs that never change, and the document notes under which of them an output came in
(cells.py, "origins"), so that one which stands under its id is known for the one that it is. What was
moved, copied, or brought back by an undo is new to Yjs: each piece of it (marks.py) is traced to where
its text stands in the output, longest pieces first. Where the whole piece stands nowhere its longest
stretch does, and what is left before and behind it is traced in the same way. Of several such places it
is one of which nothing is accounted for yet; else, the piece is a copy, one of which all is; else that
of which most is not; of several the first. (A piece that was moved and then cut may so be taken for
another, where the output repeats itself.)

So a character counts once, however often it was copied, and wherever in the notebook it was moved to;
text that only carries the mark counts for nothing. Characters are Unicode's, as Python counts them. Line
breaks count on neither side: they are no characters of a document.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from heapq import heapify, heappop, heappush

from pycrdt import Doc, Encoder, Map

from apps.inference.specs import normal
from apps.notebooks import crdt, document, structs
from apps.notebooks.chain.cells import EVERYTHING, ORIGINS, Result
from apps.notebooks.chain.marks import texts_by_output

TRACED_LIMIT = 50_000  # characters: whoever pastes a text a thousand times has copied it


def characters_of(output: str) -> str:
    """Return the output's characters as they enter a document, without line breaks."""
    return normal(output).replace("\n", "")


def count_kept(state: bytes, outputs: Mapping[str, str]) -> dict[str, int]:
    """Return how many characters of each output are kept in the document.

    Args:
        state: all updates of the document, merged.
        outputs: the outputs' texts by their ids.
    """
    doc = crdt.loaded(state)
    marked = texts_by_output(document.read(doc))
    known = _under_their_ids(doc, outputs)
    doc.apply_update(_deletion([one for found in known.values() for one in found]))
    rest = texts_by_output(document.read(doc))
    kept = {}
    for output, text in outputs.items():
        tracing = _Tracing(characters_of(text))
        standing, others = marked.get(output, []), rest.get(output, [])
        if tracing.take_known(known[output]) == _size(standing) - _size(others):
            kept[output] = tracing.count(others)
        else:  # somebody took the mark from characters that stand
            kept[output] = _Tracing(characters_of(text)).count(standing)
    return kept


def _size(texts: Iterable[str]) -> int:
    return sum(map(len, texts))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """Characters of an output that stand under the ids under which it came in."""

    client: int
    clock: int
    length: int  # in clocks
    start: int  # in the output's characters
    end: int


def _under_their_ids(doc: Doc, outputs: Mapping[str, str]) -> dict[str, list[_Known]]:
    adoptions = _adoptions(doc)
    places = {output: _Places(text) for output, text in outputs.items()}
    known: dict[str, list[_Known]] = {output: [] for output in outputs}
    update = bytes(doc.get_update())
    for piece in structs.read(update):
        adoption = adoptions.get(piece.client) if piece.kind == structs.STRING else None
        if adoption is None or adoption.output not in known:
            continue
        here = places[adoption.output]
        if not here.says(piece, update[piece.start : piece.end]):
            continue
        for clock, length in adoption.left_of(piece):
            start, end = here.at(clock), here.at(clock + length - 1) + 1
            one = _Known(client=piece.client, clock=clock, length=length, start=start, end=end)
            known[adoption.output].append(one)
    return known


@dataclass(frozen=True, kw_only=True)
class _Adoption:
    """An id of Yjs under which nothing but one output was written, as the document notes it.

    A browser that compares texts keeps a letter where an equal one was typed in its place: then it notes
    that the letter is another's now.
    """

    output: str
    given_away: list[tuple[int, int]]  # clocks, from and to

    def left_of(self, piece: structs.Struct) -> Iterator[tuple[int, int]]:
        """Yield clock and length of what is still the output's."""
        clock, end = piece.clock, piece.clock + piece.length
        for start, stop in self.given_away:
            if stop <= clock or start >= end:
                continue
            if start > clock:
                yield clock, start - clock
            clock = stop
        if clock < end:
            yield clock, end - clock


def _adoptions(doc: Doc) -> dict[int, _Adoption]:
    origins = doc.get(ORIGINS, type=Map)
    found: dict[int, _Adoption] = {}
    given_away: dict[int, list[tuple[int, int]]] = {}
    for key in origins.keys():  # noqa: SIM118  (no dict)
        client, _, clock = key.partition(".")
        note = origins[key]
        if not (client.isdigit() and clock.isdigit() and isinstance(note, list) and len(note) == 3):
            continue
        length, output, _variant = note
        if clock == "0" and length == EVERYTHING:
            kept = given_away.setdefault(int(client), [])
            found[int(client)] = _Adoption(output=str(output), given_away=kept)
        elif isinstance(length, int | float):
            start = int(clock)
            given_away.setdefault(int(client), []).append((start, start + int(length)))
    for ranges in given_away.values():
        ranges.sort()
    return found


class _Places:
    """Which of an output's characters an adoption writes at which clock."""

    def __init__(self, text: str) -> None:
        content = Result(text=text, output_id="", variant=0).content()
        update = document.encode({"type": "doc", "content": content})
        self._characters = characters_of(text)
        self._clocks: list[int] = []  # of each character the first
        for one in structs.read(update):
            clock, end = one.clock, one.clock + (one.length if one.kind == structs.STRING else 0)
            while clock < end:
                self._clocks.append(clock)
                clock += 1 + (self._characters[len(self._clocks) - 1] > "\uffff")

    def at(self, clock: int) -> int:
        """Return the place of the character."""
        return bisect_right(self._clocks, clock) - 1

    def says(self, piece: structs.Struct, written: bytes) -> bool:
        """Say whether the piece, as it is written in an update, is the text of its clocks."""
        start, end = self.at(piece.clock), self.at(piece.clock + piece.length - 1) + 1
        is_there = start >= 0 and piece.clock + piece.length <= self._clocks[-1] + 2
        return is_there and written.endswith(self._characters[start:end].encode())


def _deletion(known: Iterable[_Known]) -> bytes:
    """Return the update that deletes these characters and does nothing else."""
    by_client: dict[int, list[_Known]] = {}
    for one in known:
        by_client.setdefault(one.client, []).append(one)
    encoder = Encoder()
    encoder.write_var_uint(0)
    encoder.write_var_uint(len(by_client))
    for client, deleted in by_client.items():
        encoder.write_var_uint(client)
        encoder.write_var_uint(len(deleted))
        for one in deleted:
            encoder.write_var_uint(one.clock)
            encoder.write_var_uint(one.length)
    return bytes(encoder.to_bytes())


class _Tracing:
    """Remembers which of an output's characters are accounted for."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._is_taken = bytearray(len(output))
        self._matcher = SequenceMatcher(None, "", output, autojunk=False)

    def take_known(self, known: Iterable[_Known]) -> int:
        """Account for what stands under its ids; return how many characters that is."""
        for one in known:
            self._is_taken[one.start : one.end] = b"\x01" * (one.end - one.start)
        return sum(self._is_taken)

    def count(self, standing: Iterable[str]) -> int:
        """Trace the other pieces that carry the mark; return how many characters there are in all."""
        waiting = [(-len(text), place, text) for place, text in enumerate(standing) if text]
        heapify(waiting)
        traced, number = 0, len(waiting)
        while waiting and traced < TRACED_LIMIT and not all(self._is_taken):
            size, _place, text = heappop(waiting)
            traced -= size
            for rest in self._trace(text):
                number += 1
                heappush(waiting, (-len(rest), number, rest))
        return sum(self._is_taken)

    def _trace(self, text: str) -> list[str]:
        """Account for as much of the text as stands together in the output; return what is left."""
        if self._take(text):
            return []
        self._matcher.set_seq1(text)
        match = self._matcher.find_longest_match()
        if not match.size:
            return []
        end = match.a + match.size
        self._take(text[match.a : end])
        return [rest for rest in (text[: match.a], text[end:]) if rest]

    def _take(self, text: str) -> bool:
        """Account for a place where the text stands; say whether there is one."""
        places = list(self._found(text))
        if not places:
            return False
        size = len(text)
        news = {at: size - sum(self._is_taken[at : at + size]) for at in places}
        if size not in news.values() and 0 in news.values():
            return True  # it is a copy of what is accounted for
        best = max(places, key=lambda at: news[at])
        self._is_taken[best : best + size] = b"\x01" * size
        return True

    def _found(self, text: str) -> Iterator[int]:
        at = self._output.find(text)
        while at >= 0:
            yield at
            at = self._output.find(text, at + 1)
