"""How many characters of an output still stand in a document.

Adopted characters have ids of Yjs that never change, and the document notes under which of them an
output came in (cells.py, "origins"). A character that still stands under its id is known to be kept.
What was moved, copied, or brought back by an undo is new to Yjs, and carries the output's mark: each
piece of it (marks.py) is traced to where its text stands in the output, longest pieces first. Where the
whole piece stands nowhere its longest stretch does, and what is left before and behind it is traced in
the same way. Of several such places it is one of which nothing is accounted for yet; else, the piece is
a copy, one of which all is; else that of which most is not; of several the first. (A piece that was moved
and then cut may so be taken for another, where the output repeats itself.)

So a character counts once, however often it was copied, and wherever in the notebook it was moved to;
text that only carries the mark counts for nothing. Characters are Unicode's, as Python counts them. Line
breaks count on neither side: they are no characters of a document.
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from heapq import heapify, heappop, heappush

from pycrdt import Doc, Encoder, Map

from apps.inference.specs import normal
from apps.notebooks import crdt, document, structs
from apps.notebooks.chain.cells import EVERYTHING, ORIGINS, Result
from apps.notebooks.chain.marks import texts_by_output

TRACED_LIMIT = 50_000  # characters: whoever pastes a text a thousand times has copied it

Range = tuple[int, int, int]  # client, clock, length


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
    tracings = {output: _Tracing(characters_of(text)) for output, text in outputs.items()}
    places = {output: _places(text) for output, text in outputs.items()}
    came_in = _clients(doc)
    update = bytes(doc.get_update())
    known: list[Range] = []
    for one in structs.read(update):
        output = came_in.get(one.client) if one.kind == structs.STRING else None
        at = places[output].get(one.clock) if output in places else None
        if output is None or at is None or not tracings[output].stands(at, one, update):
            continue
        known.append((one.client, one.clock, one.length))
    doc.apply_update(_deletion(known))
    rest = texts_by_output(document.read(doc))
    return {output: one.count(rest.get(output, ())) for output, one in tracings.items()}


def _clients(doc: Doc) -> dict[int, str]:
    """Return the output that was adopted under an id of Yjs, and is all that was written under it."""
    found: dict[int, str] = {}
    origins = doc.get(ORIGINS, type=Map)
    for key in origins.keys():  # noqa: SIM118  (no dict)
        client, _, clock = key.partition(".")
        note = origins[key]
        is_adoption = clock == "0" and isinstance(note, list) and len(note) == 3
        if is_adoption and note[0] == EVERYTHING and client.isdigit():
            found[int(client)] = str(note[1])
    return found


def _places(text: str) -> dict[int, int]:
    """Return for each clock of an adoption which of the output's characters it is."""
    content = Result(text=text, output_id="", variant=0).content()
    update = document.encode({"type": "doc", "content": content})
    characters = characters_of(text)
    found: dict[int, int] = {}
    at = 0
    for one in structs.read(update):
        if one.kind != structs.STRING:
            continue
        clock = one.clock
        while clock < one.clock + one.length:
            found[clock] = at
            clock += 1 + (characters[at] > "\uffff")
            at += 1
    return found


def _deletion(ranges: list[Range]) -> bytes:
    """Return the update that deletes these characters and does nothing else."""
    by_client: dict[int, list[tuple[int, int]]] = {}
    for client, clock, length in ranges:
        by_client.setdefault(client, []).append((clock, length))
    encoder = Encoder()
    encoder.write_var_uint(0)
    encoder.write_var_uint(len(by_client))
    for client, deleted in by_client.items():
        encoder.write_var_uint(client)
        encoder.write_var_uint(len(deleted))
        for clock, length in deleted:
            encoder.write_var_uint(clock)
            encoder.write_var_uint(length)
    return bytes(encoder.to_bytes())


class _Tracing:
    """Remembers which of an output's characters are accounted for."""

    def __init__(self, output: str) -> None:
        self._output = output
        self._is_taken = bytearray(len(output))
        self._matcher = SequenceMatcher(None, "", output, autojunk=False)

    def stands(self, at: int, piece: structs.Struct, update: bytes) -> bool:
        """Account for what stands under its own ids; say whether it is the output's text indeed."""
        written = self._output[at : at + piece.length].encode("utf-16-le")[: 2 * piece.length]
        text = written.decode("utf-16-le", "ignore")
        if not update[piece.start : piece.end].endswith(text.encode()):
            return False
        self._is_taken[at : at + len(text)] = b"\x01" * len(text)
        return True

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
