"""Decide, step by step, which tokens are computed, and with whose memory.

Each step takes one token of everybody who writes, and fills up with pieces of prompts (chunked prefill,
Agrawal et al. 2023, arXiv:2308.16369). Who finds no block displaces the last in rank; the displaced waits and
is computed again, mostly from the cache. The first in rank is never displaced, so everybody ends.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from inferencecloud.engine.blocks import BLOCK_TOKENS, BlockPool, Key
from inferencecloud.engine.drafting import Drafter, StepCost
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.line import WaitingLine
from inferencecloud.engine.sequence import Sequence
from inferencecloud.engine.span import Span, span_of


class InvalidLimit(EngineError, ValueError):
    """A limit of the scheduler is out of its range."""

    def __init__(self, name: str, got: int) -> None:
        super().__init__(f"{name} must be at least 1, got {got}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is done at once."""

    sequences: int = 64  # that write at the same time
    prefill_tokens: int = 512  # of a step in which nobody writes
    mixed_tokens: int = 128  # of prompts, in a step in which somebody writes
    draft_tokens: int = 4  # guessed at most for each who writes; 0: none

    def __post_init__(self) -> None:
        for name in ("sequences", "prefill_tokens", "mixed_tokens"):
            if getattr(self, name) < 1:
                raise InvalidLimit(name, getattr(self, name))


@dataclass(slots=True)
class Counts:
    """What has happened since the beginning."""

    preemptions: int = 0
    prefix_query_tokens: int = 0  # of prompts that were admitted
    prefix_hit_tokens: int = 0  # of these, found computed
    drafted_tokens: int = 0
    held_tokens: int = 0  # of these, as the model would have them


class Scheduler:
    """The sequences of one model; the engine's thread alone calls it."""

    def __init__(self, pool: BlockPool, limits: Limits) -> None:
        self.pool = pool
        self.limits = limits
        self.counts = Counts()
        self.line = WaitingLine()  # their prompts are complete
        self._early: list[Sequence] = []  # their prompts still grow, by rank
        self.running: list[Sequence] = []  # they have blocks, by rank
        self.cost: StepCost | None = None  # measured at warm-up; without it nothing is drafted
        self.drafter: Drafter | None = None  # guesses where nothing stood in the text before
        self._guessed: set[Sequence] = set()  # for whom it did in this step
        self._computing: dict[Key, Sequence] = {}  # who is about to compute a block of a prompt

    @property
    def _readings(self) -> int:
        """Return how many readings may want a block with the next token."""
        return sum(len(sequence.readings) for sequence in self.running)

    @property
    def waiting(self) -> int:
        """Return how many sequences have no memory."""
        return len(self.line) + len(self._early)

    def add(self, sequence: Sequence) -> None:
        """Let a sequence wait; once its prompt is complete, add it again."""
        if sequence in self.running or sequence in self.line:
            return
        if sequence.is_open:
            if sequence not in self._early:
                bisect.insort(self._early, sequence, key=lambda s: s.rank)
            return
        if sequence in self._early:
            self._early.remove(sequence)
        self.line.push(sequence)

    def room_for_answer(self, sequence: Sequence, *, most: int) -> int:
        """Return how many tokens its answer may have to fit the memory, with nobody else there."""
        prompts, room = [reading.prompt_tokens for reading in sequence.readings], most
        while room > 0:
            needed = sum(-(-(tokens + room) // BLOCK_TOKENS) for tokens in prompts)
            over = needed - self.pool.count
            if over <= 0:
                break
            # So many blocks less cost at least so many tokens of each reading, but for a begun block.
            room -= max(1, (over - len(prompts)) * BLOCK_TOKENS // len(prompts))
        return room

    def remove(self, sequence: Sequence) -> None:
        """Let it go, and its blocks; those that are full stay to be found."""
        self.line.remove(sequence)
        if sequence in self._early:
            self._early.remove(sequence)
        if sequence in self.running:
            self._release(sequence)
        if self.drafter is not None:
            self.drafter.forget(sequence)

    def plan(self) -> list[Span]:
        """Return the tokens of the next step, all with blocks; an empty list: nothing can be done."""
        spans: dict[Sequence, Span] = {}
        for sequence in self.running:
            self._trim(sequence)
        drafts = self._drafts()
        for sequence in list(self.running):
            if sequence.is_decoding:
                draft = drafts.get(sequence, ())
                if self._fit(sequence, 1 + len(draft), spans):
                    spans[sequence] = span_of(sequence, 1 + len(draft), draft)
        room = self.limits.mixed_tokens if spans else self.limits.prefill_tokens
        reading = [sequence for sequence in self.running if sequence not in spans]
        for sequence in sorted(reading, key=lambda s: (s.is_open, s.rank)):
            room -= self._read(sequence, room, spans)
        while room > 0 and (admitted := self._admit(room, spans)) is not None:
            room -= self._read(admitted, room, spans)
        return list(spans.values())

    def advance(self, spans: Iterable[Span]) -> None:
        """Take note that the spans are computed, drafts aside: full blocks can be found from now on."""
        for span in spans:
            if span.sequence in self.running:
                known = span.tokens - len(span.draft)
                self._reach(span.sequence, span.sequence.computed + known)
                if span.unprompted is not None:
                    other = span.unprompted
                    other.sequence.computed += other.tokens - len(other.draft)

    def confirm(self, span: Span, held: int) -> None:
        """Take note that so many tokens of the draft are in the answer, and the one after them."""
        self.counts.drafted_tokens += len(span.draft)
        self.counts.held_tokens += held
        if self.drafter is not None and span.sequence in self._guessed:
            self.drafter.learn(span.sequence, len(span.draft), held)
        else:
            span.sequence.lookup.learn(len(span.draft), held)
        if held and span.sequence in self.running:
            self._reach(span.sequence, len(span.sequence.token_ids) - 1)
            if span.unprompted is not None:
                span.unprompted.sequence.computed += held

    def _reach(self, sequence: Sequence, computed: int) -> None:
        before, tokens = sequence.computed // BLOCK_TOKENS, computed - sequence.computed
        sequence.computed = computed
        keys = sequence.known_keys()
        for place in range(before, computed // BLOCK_TOKENS):
            self.pool.seal(sequence.blocks[place], keys[place])
            if self._computing.get(keys[place]) is sequence:
                del self._computing[keys[place]]
        self.line.serve(sequence.request.owner, tokens)

    def _drafts(self) -> dict[Sequence, tuple[int, ...]]:
        """Return guesses at the next tokens where it pays to have them checked, and displaces nobody."""
        self._guessed = set()
        if self.cost is None:
            return {}
        writing = [each for each in self.running if each.is_decoding]
        rooms = {each: room for each in writing if (room := self._room_for_draft(each)) > 0}
        drafts = {each: self._looked_up(each, rooms[each], len(writing)) for each in rooms}
        if self.drafter is not None:
            rest = {each: room for each, room in rooms.items() if not drafts[each]}
            found = self.drafter.guess(self._worth_guessing(self.drafter, rest, len(writing)))
            self._guessed = set(found)
            drafts |= found
        return drafts

    def _room_for_draft(self, sequence: Sequence) -> int:
        """Return how many tokens may be guessed at most."""
        most = min(self.limits.draft_tokens, sequence.answer_limit - sequence.answer_tokens - 1)
        room = min(len(s.blocks) * BLOCK_TOKENS - s.computed - 1 for s in sequence.readings)
        if self.pool.free > 2 * self._readings:
            room += BLOCK_TOKENS
        return min(most, room)

    def _looked_up(self, sequence: Sequence, most: int, writers: int) -> tuple[int, ...]:
        """Return what followed the last tokens where they stood before."""
        if self.cost is None or not self.cost.pays(sequence.lookup.hope, writers):
            sequence.lookup.recover()
            return ()
        return sequence.lookup.draft(sequence.token_ids, most)

    def _worth_guessing(
        self, drafter: Drafter, rooms: dict[Sequence, int], writers: int
    ) -> dict[Sequence, int]:
        """Return how many tokens of each the drafter is to guess."""
        wanted: dict[Sequence, int] = {}
        for sequence, most in rooms.items():
            tokens = 0
            if self.cost is not None:
                hope, guess_s = drafter.hope(sequence), drafter.guess_s(sequence, len(rooms))
                tokens = self.cost.length(hope, writers, guess_s=guess_s, most=most)
            if tokens:
                wanted[sequence] = tokens
            else:
                drafter.recover(sequence)
        return wanted

    def _read(self, sequence: Sequence, room: int, spans: dict[Sequence, Span]) -> int:
        """Let a sequence compute as much of its prompt as there is room; return how much that is."""
        tokens = min(sequence.pending, room)
        if tokens < 1 or sequence not in self.running or not self._fit(sequence, tokens, spans):
            return 0
        spans[sequence] = span_of(sequence, tokens)
        return tokens

    def _admit(self, room: int, spans: dict[Sequence, Span]) -> Sequence | None:
        """Give memory to the next that waits and can begin; None when there is none."""
        held: list[Sequence] = []
        chosen = None
        while len(held) < self.limits.sequences and (sequence := self.line.pop()) is not None:
            if self._is_computed_elsewhere(sequence):
                held.append(sequence)
            elif self._has_place(sequence, room, spans):
                chosen = sequence
                break
            else:
                held.append(sequence)
                break
        for sequence in held:
            self.line.push(sequence)
        if chosen is None and not held:
            chosen = self._admit_early()
        if chosen is not None:
            self._begin(chosen)
        return chosen

    def _admit_early(self) -> Sequence | None:
        """Return the next whose prompt still grows, when memory abounds."""
        for sequence in self._early:
            needed = self._needs(sequence, len(sequence.token_ids))
            if self.pool.free - needed < self.pool.count // 4:
                return None
            if not self._is_computed_elsewhere(sequence):
                self._early.remove(sequence)
                return sequence
        return None

    def _has_place(self, sequence: Sequence, room: int, spans: dict[Sequence, Span]) -> bool:
        """Make room where the sequence goes before somebody who has it; tell whether there is enough."""
        while True:
            full = sum(not s.is_open for s in self.running) >= self.limits.sequences
            # One block in reserve for everybody who writes: else the next step displaces somebody.
            needed = self._needs(sequence, room) + self._readings
            if not full and self.pool.free >= needed:
                return True
            last = self._first_to_yield(sequence)
            if last is None:
                return False
            self._displace(last, spans)

    def _needs(self, sequence: Sequence, room: int) -> int:
        """Return how many free blocks it takes to begin the sequence with so many tokens at most."""
        found = self.pool.find(self._usable_keys(sequence))
        end = min(len(sequence.token_ids), len(found) * BLOCK_TOKENS + room)
        besides = _blocks_without_prompt(sequence)
        return -(-end // BLOCK_TOKENS) - len(found) + self.pool.unused(found) + besides

    @staticmethod
    def _usable_keys(sequence: Sequence) -> list[Key]:
        """Return the keys of its blocks without the last token: that is always computed for its logits."""
        return sequence.known_keys()[: max(0, len(sequence.token_ids) - 1) // BLOCK_TOKENS]

    def _first_to_yield(self, sequence: Sequence) -> Sequence | None:
        """Return who makes room for the one that waits, or None when it has to wait.

        One whose prompt still grows does, and one of a lower priority, and the last of an owner who
        has several, where the other owner has none.
        """
        holds = Counter(s.request.owner for s in self.running if not s.is_open)
        last = max(
            self.running,
            key=lambda s: (s.is_open, s.request.priority, holds[s.request.owner], s.number),
            default=None,
        )
        if last is None:
            return None
        mine, theirs = sequence.request, last.request
        is_unfair = not holds[mine.owner] and holds[theirs.owner] > 1
        yields = last.is_open or theirs.priority > mine.priority
        if yields or (is_unfair and theirs.priority == mine.priority):
            return last
        return None

    def _begin(self, sequence: Sequence) -> None:
        """Give the sequence what is computed of it already."""
        usable = self._usable_keys(sequence)
        found = self.pool.find(usable)
        self.pool.share(found)
        sequence.blocks = found
        sequence.computed = len(found) * BLOCK_TOKENS
        if not sequence.was_admitted:
            self.counts.prefix_query_tokens += len(sequence.token_ids)
            self.counts.prefix_hit_tokens += sequence.computed
            sequence.was_admitted = True
        sequence.promised = usable[len(found) :]
        for key in sequence.promised:
            self._computing.setdefault(key, sequence)
        bisect.insort(self.running, sequence, key=lambda s: s.rank)

    def _is_computed_elsewhere(self, sequence: Sequence) -> bool:
        """Tell whether the next block that it needs is about to be there: then waiting costs less."""
        keys = self._usable_keys(sequence)
        place = len(self.pool.find(keys))
        if place == len(keys):
            return False
        other = self._computing.get(keys[place])
        if other is None:
            return False
        theirs = other.known_keys()
        if other in self.running and theirs[place : place + 1] == [keys[place]]:
            return True
        del self._computing[keys[place]]  # its prompt has turned out otherwise
        return False

    def _fit(self, sequence: Sequence, tokens: int, spans: dict[Sequence, Span]) -> bool:
        """See to it that the next tokens have blocks; displace the last in rank where none is left."""
        needed = [-(-(sequence.computed + tokens) // BLOCK_TOKENS)]
        needed.append(_blocks_without_prompt(sequence, drafted=max(0, tokens - sequence.pending)))
        for reading, count in zip(sequence.readings, needed, strict=False):
            while sequence in self.running and len(reading.blocks) < count:
                number = self.pool.take()
                if number is not None:
                    reading.blocks.append(number)
                    continue
                # Whose prompt still grows goes first, then the lowest rank: at the end the sequence itself.
                self._displace(max(self.running, key=lambda s: (s.is_open, s.rank)), spans)
        return sequence in self.running

    def _displace(self, sequence: Sequence, spans: dict[Sequence, Span]) -> None:
        self.counts.preemptions += 1
        spans.pop(sequence, None)
        self._release(sequence)
        self.add(sequence)

    def _trim(self, sequence: Sequence) -> None:
        """Give back the blocks behind what is computed: its prompt has turned out otherwise."""
        if sequence.computed % BLOCK_TOKENS:
            place = sequence.computed // BLOCK_TOKENS
            if self.pool.is_sealed(sequence.blocks[place]):  # others may read it: begin it anew
                sequence.computed = place * BLOCK_TOKENS
        for reading in sequence.readings:
            kept = -(-reading.computed // BLOCK_TOKENS)
            self.pool.release(reversed(reading.blocks[kept:]))
            del reading.blocks[kept:]

    def _release(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        for reading in sequence.readings:
            self.pool.release(reversed(reading.blocks))
            reading.blocks = []
            reading.computed = 0
        for key in sequence.promised:  # some may be of a prompt that has turned out otherwise
            if self._computing.get(key) is sequence:
                del self._computing[key]
        sequence.promised = []


def _blocks_without_prompt(sequence: Sequence, *, drafted: int = 0) -> int:
    """Return how many blocks the answer takes up without the prompt, where it is guided."""
    if sequence.unprompted is None:
        return 0
    tokens = sequence.unprompted.prompt_tokens + sequence.answer_tokens + drafted
    return -(-tokens // BLOCK_TOKENS)
