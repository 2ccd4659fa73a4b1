"""Who waits, and who is next: by priority, then whose owner has been served least, then by arrival.

Every operation costs the same whether ten wait or ten thousand (logarithms aside).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator

from inferencecloud.engine.sequence import Sequence

_Lane = tuple[int, str]  # priority and owner


class WaitingLine:
    """The sequences that wait, in lanes of one owner and one priority each."""

    def __init__(self) -> None:
        self._lanes: dict[_Lane, list[tuple[int, Sequence]]] = {}
        self._order: list[tuple[int, float, int, str]] = []  # priority, served, tie-break, owner
        self._queued: set[_Lane] = set()  # the lanes in `_order`
        self._here: set[Sequence] = set()
        self._served: dict[str, float] = {}
        self._tick = itertools.count()

    def __len__(self) -> int:
        return len(self._here)

    def __contains__(self, sequence: Sequence) -> bool:
        return sequence in self._here

    def __iter__(self) -> Iterator[Sequence]:
        return iter(list(self._here))

    def push(self, sequence: Sequence) -> None:
        """Let it wait, at the place that its arrival gives it."""
        owner, lane = sequence.request.owner, self._lane(sequence)
        self._here.add(sequence)
        heapq.heappush(self._lanes.setdefault(lane, []), (sequence.number, sequence))
        if owner not in self._served:
            # Who comes late starts level with the others: idle time is not saved up.
            self._served[owner] = min((served for _, served, _, _ in self._order[:1]), default=0.0)
        self._enqueue(lane)

    def remove(self, sequence: Sequence) -> None:
        """Forget it; one that is not here is no error."""
        self._here.discard(sequence)

    def pop(self) -> Sequence | None:
        """Return who is next, and let it go from the line."""
        while self._order:
            priority, served, _, owner = self._order[0]
            lane = (priority, owner)
            first = self._first(lane)
            if first is None:
                heapq.heappop(self._order)
                self._queued.discard(lane)
                self._lanes.pop(lane, None)
            elif served != self._served[owner]:
                self._queued.discard(lane)
                heapq.heappop(self._order)
                self._enqueue(lane)
            else:
                heapq.heappop(self._lanes[lane])
                self._here.discard(first)
                return first
        self._served.clear()
        return None

    def serve(self, owner: str, tokens: int) -> None:
        """Count what was computed for an owner."""
        if owner in self._served:
            self._served[owner] += tokens

    def _enqueue(self, lane: _Lane) -> None:
        if lane not in self._queued:
            priority, owner = lane
            heapq.heappush(self._order, (priority, self._served[owner], next(self._tick), owner))
            self._queued.add(lane)

    def _first(self, lane: _Lane) -> Sequence | None:
        """Return the first of the lane that has not left."""
        heap = self._lanes.get(lane, [])
        while heap and heap[0][1] not in self._here:
            heapq.heappop(heap)
        return heap[0][1] if heap else None

    @staticmethod
    def _lane(sequence: Sequence) -> _Lane:
        return (sequence.request.priority, sequence.request.owner)
