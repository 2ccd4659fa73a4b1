"""Whose updates changed which cell: looked up when the cells are read anew, kept for consent.

Never too few people. Where the updates between two readings are one person's, whatever changed is
theirs. Otherwise they are played again, one person's at a time, and after each turn the changed cells
are compared. What no turn explains is everybody's; so is everything where there are too many turns, or
where compaction was quicker. What waits for another update may come into any cell at any time: its
sender counts in all of them, for good.

Words count, and whose they are; formatting does not.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from pycrdt import Doc, XmlElement, XmlFragment

from apps.notebooks import crdt, document
from apps.notebooks.chain import marks
from apps.notebooks.chain.marks import Place
from apps.notebooks.models import CellWriter, Contribution, DocSnapshot, Document, DocUpdate

TURNS_LIMIT = 200
FOR_GOOD = 2**62  # as a number of an update: later than any

Writers = dict[Place, dict[uuid.UUID, int]]  # who wrote there, and last with which update


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was found when the document was read anew."""

    upto: int  # the last update that it has
    vector: bytes  # its state vector
    places: Collection[Place]  # all that it has
    changed: Collection[Place]  # those whose words, or whose owners, are not what they were


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the updates between two readings tell."""

    writers: Writers = field(default_factory=dict)
    at: datetime | None = None  # when the last of them came


@dataclass(frozen=True, kw_only=True)
class _Row:
    seq: int
    user: uuid.UUID | None
    payload: bytes
    at: datetime


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """Updates one after the other that one person sent, or the server made."""

    user: uuid.UUID | None
    last_seq: int
    update: bytes


def look_up(head: Document, reading: Reading) -> Written:
    """Return who changed what with the updates after `head.chain_seq`, up to those read now."""
    rows = _rows(head, reading.upto)
    if len(rows) != reading.upto - head.chain_seq:  # some were compacted before anybody looked
        return Written(writers=_everybody(head, rows, reading), at=rows[-1].at if rows else None)
    turns = _turns(rows)
    writers = _of_one(turns, reading.changed)
    if reading.changed and not writers and any(turn.user for turn in turns):
        writers = _played(head, turns, reading.changed)
    return Written(writers=_with_waiting(writers, turns, reading), at=rows[-1].at)


def keep(notebook_id: uuid.UUID, written: Written) -> None:
    """Add to who wrote where; the caller holds the document's row."""
    if not written.writers:
        return
    cells = {cell for cell, _part in written.writers}
    kept = CellWriter.objects.filter(notebook=notebook_id, cell_id__in=cells)
    known = {(row.cell_id, row.part, row.user_id): row for row in kept}
    fresh, later = [], []
    for (cell, part), people in written.writers.items():
        for user, seq in people.items():
            row = known.get((cell, part, user))
            if row is None:
                facts = {"cell_id": cell, "part": part, "user_id": user, "last_seq": seq}
                fresh.append(CellWriter(notebook_id=notebook_id, **facts))
            elif row.last_seq < seq:
                row.last_seq = seq
                later.append(row)
    CellWriter.objects.bulk_create(fresh, batch_size=500)
    CellWriter.objects.bulk_update(later, ["last_seq"], batch_size=200)


def since(notebook_id: uuid.UUID, places: Mapping[Place, int]) -> set[uuid.UUID]:
    """Return who wrote in one of the places with an update later than the number given for it."""
    found: set[uuid.UUID] = set()
    for (cell, part), seq in places.items():
        wrote = CellWriter.objects.filter(
            notebook=notebook_id, cell_id=cell, part=part, last_seq__gt=seq
        )
        found.update(wrote.values_list("user", flat=True))
    return found


def _rows(head: Document, upto: int) -> list[_Row]:
    kept = DocUpdate.objects.filter(document=head, seq__gt=head.chain_seq, seq__lte=upto)
    columns = kept.order_by("seq").values_list("seq", "user", "payload", "created_at")
    return [
        _Row(seq=seq, user=user, payload=bytes(payload), at=at)
        for seq, user, payload, at in columns
    ]


def _turns(rows: Iterable[_Row]) -> list[_Turn]:
    turns = []
    for user, some in groupby(rows, key=lambda row: row.user):
        sent = list(some)
        update = crdt.merge([row.payload for row in sent])
        turns.append(_Turn(user=user, last_seq=sent[-1].seq, update=update))
    return turns


def _of_one(turns: list[_Turn], changed: Collection[Place]) -> Writers:
    """Return that all is one person's, if nobody else and no server wrote."""
    if len(turns) != 1 or turns[0].user is None:
        return {}
    return {place: {turns[0].user: turns[0].last_seq} for place in changed}


def _everybody(head: Document, rows: list[_Row], reading: Reading) -> Writers:
    """Return that whoever ever wrote in the notebook may have written there."""
    contributed = Contribution.objects.filter(notebook=head.pk).values_list("user", flat=True)
    people = {*contributed, *(row.user for row in rows if row.user is not None)}
    return {place: dict.fromkeys(people, reading.upto) for place in reading.changed}


def _all_turns(turns: list[_Turn]) -> dict[uuid.UUID, int]:
    return {turn.user: turn.last_seq for turn in turns if turn.user is not None}


def _played(head: Document, turns: list[_Turn], changed: Collection[Place]) -> Writers:
    """Play the turns again and return who changed what."""
    state = _state_at(head) if len(turns) <= TURNS_LIMIT else None
    if state is None:
        return {place: _all_turns(turns) for place in changed}
    found: Writers = {place: {} for place in changed}
    explained: set[Place] = set()
    doc = crdt.loaded(state)
    before = _fingerprints(doc, changed)
    for turn in turns:
        try:
            doc.apply_update(turn.update)
        except (ValueError, RuntimeError):  # only together with what comes later
            return {place: _all_turns(turns) for place in changed}
        after = _fingerprints(doc, changed)
        for place in changed:
            if after.get(place, "") == before.get(place, ""):
                continue
            explained.add(place)
            if turn.user is not None:
                found[place][turn.user] = turn.last_seq
        before = after
    for place in set(changed) - explained:
        found[place] = _all_turns(turns)
    return found


def _state_at(head: Document) -> bytes | None:
    """Return the document as it was read last; nothing where compaction went past that."""
    snapshot = DocSnapshot.objects.filter(document=head).first()
    start = snapshot.upto_seq if snapshot else 0
    rows = DocUpdate.objects.filter(document=head, seq__gt=start, seq__lte=head.chain_seq)
    payloads = [bytes(one) for one in rows.order_by("seq").values_list("payload", flat=True)]
    if len(payloads) != head.chain_seq - start:
        return None
    return crdt.merge([*([bytes(snapshot.state)] if snapshot else []), *payloads])


def _fingerprints(doc: Doc, changed: Collection[Place]) -> dict[Place, str]:
    """Return the hashes of the changed places, reading no other cells."""
    wanted = {str(cell) for cell, _part in changed}
    found: dict[Place, str] = {}
    for block in doc.get(document.FRAGMENT, type=XmlFragment).children:
        if not isinstance(block, XmlElement) or block.attributes.get("cellId") not in wanted:
            continue
        for place, part in marks.parts_of(document.read_element(block)):
            found.setdefault(place, marks.fingerprint(part))
    return found


def _with_waiting(writers: Writers, turns: list[_Turn], reading: Reading) -> Writers:
    """Add the senders of what waits for other updates, to every cell."""
    if not crdt.waits(crdt.merge([turn.update for turn in turns]), reading.vector):
        return writers
    waiting = {turn.user for turn in turns if turn.user and crdt.waits(turn.update, reading.vector)}
    return {
        place: {**writers.get(place, {}), **dict.fromkeys(waiting, FOR_GOOD)}
        for place in {*reading.places, *writers}
    }
