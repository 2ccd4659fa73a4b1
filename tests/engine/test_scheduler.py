"""The schedule, without a model: everybody ends, nothing is read before it is computed, no block is lost."""

from __future__ import annotations

import itertools
import random
import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferencecloud.engine import Message, Request, Role, Text
from inferencecloud.engine.blocks import BLOCK_TOKENS, BlockPool, root_key
from inferencecloud.engine.scheduler import InvalidLimit, Limits, Scheduler
from inferencecloud.engine.sequence import Sequence, Times
from inferencecloud.engine.span import Span

_numbers = itertools.count()


def sequence(
    tokens: list[int] | int, *, owner: str = "", priority: int = 0, is_open: bool = False
) -> Sequence:
    ids = list(range(tokens)) if isinstance(tokens, int) else tokens
    unused = cast(Any, None)  # the schedule looks at neither text nor stage
    request = Request(
        id="r",
        model="m",
        messages=(Message(Role.USER, (Text("x"),)),),
        owner=owner,
        priority=priority,
    )
    return Sequence(
        request=request,
        stage=unused,
        number=next(_numbers),
        root=root_key(owner),
        growing=unused,
        stream=unused,
        sampler=unused,
        times=Times(submitted_at=0.0),
        token_ids=ids,
        prompt_tokens=len(ids),
        is_open=is_open,
    )


def advance(scheduler: Scheduler) -> list[Span]:
    """Take one step, and give a token to whom it brings one."""
    spans = scheduler.plan()
    brought = [span.sequence for span in spans if span.brings_token]
    guided = [one.unprompted for one in brought if one.unprompted is not None]
    assert [span.unprompted.sequence for span in spans if span.unprompted is not None] == guided
    scheduler.advance(spans)
    for each in brought:
        each.token_ids.append(1000 + len(each.token_ids))
    return spans


def write(scheduler: Scheduler, sequences: list[Sequence], new_tokens: int) -> list[Sequence]:
    """Let all write so many tokens; return them in the order in which they ended."""
    ended: list[Sequence] = []
    for _ in range(10_000):
        advance(scheduler)
        for each in list(scheduler.running):
            if each.answer_tokens >= new_tokens:
                scheduler.remove(each)
                ended.append(each)
        if len(ended) == len(sequences):
            return ended
    raise AssertionError(f"only {len(ended)} of {len(sequences)} ended")


def test_who_writes_takes_one_token_and_prompts_fill_the_step() -> None:
    scheduler = Scheduler(BlockPool(100), Limits(prefill_tokens=40, mixed_tokens=24))
    first, second = sequence(30, owner="a"), sequence(100, owner="b")
    scheduler.add(first)
    scheduler.add(second)
    assert [(s.sequence, s.tokens) for s in advance(scheduler)] == [(first, 30), (second, 10)]
    assert [(s.sequence, s.tokens) for s in advance(scheduler)] == [(first, 1), (second, 24)]


def test_a_prompt_that_was_computed_is_not_computed_again() -> None:
    scheduler = Scheduler(BlockPool(100), Limits())
    for expected in (50, 50 - 48):
        one = sequence(50)
        scheduler.add(one)
        assert advance(scheduler)[0].tokens == expected
        scheduler.remove(one)
    assert scheduler.counts.prefix_hit_tokens == 48
    assert scheduler.counts.prefix_query_tokens == 100


def test_the_last_token_is_computed_even_where_all_is_known() -> None:
    scheduler = Scheduler(BlockPool(100), Limits())
    for expected in (32, 16):
        one = sequence(32)
        scheduler.add(one)
        assert advance(scheduler)[0].tokens == expected
        scheduler.remove(one)


def test_another_owner_computes_for_itself() -> None:
    scheduler = Scheduler(BlockPool(100), Limits())
    for owner in ("a", "b"):
        one = sequence(50, owner=owner)
        scheduler.add(one)
        assert advance(scheduler)[0].tokens == 50
        scheduler.remove(one)


def test_variants_wait_for_the_one_prefill_that_they_share() -> None:
    scheduler = Scheduler(BlockPool(100), Limits(prefill_tokens=64))
    variants = [sequence(100) for _ in range(4)]
    for each in variants:
        scheduler.add(each)
    computed = 0
    while any(each.answer_tokens == 0 for each in variants):
        computed += sum(span.tokens for span in advance(scheduler))
    assert computed < 100 + 3 * 4 + 4 * 3  # one prompt, three tails of 4, some written tokens


def test_a_wrong_guess_releases_those_who_waited_for_it() -> None:
    scheduler = Scheduler(BlockPool(100), Limits(prefill_tokens=8))
    guess = sequence(list(range(64)), is_open=True)
    scheduler.add(guess)
    advance(scheduler)
    waits = sequence(list(range(40)))
    scheduler.add(waits)
    guess.token_ids = [7] * 40  # its source went on otherwise
    guess.computed = 0
    guess.keys.clear()
    for _ in range(40):
        advance(scheduler)
    assert waits.answer_tokens > 0


def test_the_lowest_rank_is_displaced_and_ends_all_the_same() -> None:
    scheduler = Scheduler(BlockPool(8), Limits())
    sequences = [sequence(40, owner=str(n)) for n in range(3)]
    for each in sequences:
        scheduler.add(each)
    write(scheduler, sequences, 40)
    assert scheduler.counts.preemptions > 0
    assert scheduler.pool.used == 0


def test_a_person_goes_before_a_nightly_job_that_has_all_the_memory() -> None:
    scheduler = Scheduler(BlockPool(8), Limits())
    nightly = [sequence(60, owner="a", priority=10) for _ in range(4)]
    for each in nightly:
        scheduler.add(each)
    advance(scheduler)
    person = sequence(60, owner="b")
    scheduler.add(person)
    advance(scheduler)
    assert person in scheduler.running


def test_an_owner_who_comes_late_gets_a_place_among_many_of_another() -> None:
    scheduler = Scheduler(BlockPool(1000), Limits(sequences=4))
    for _ in range(50):
        scheduler.add(sequence(20, owner="big"))
    advance(scheduler)
    late = sequence(20, owner="small")
    scheduler.add(late)
    for _ in range(3):
        advance(scheduler)
    assert late.answer_tokens > 0


def test_owners_are_served_in_turn_however_much_one_sends() -> None:
    scheduler = Scheduler(BlockPool(1000), Limits(sequences=2))
    big = [sequence([n * 100 + i for i in range(20)], owner="big") for n in range(40)]
    small = [sequence([n * 100 + i for i in range(20)], owner="small") for n in range(4)]
    for each in [*big, *small]:
        scheduler.add(each)
    ended = write(scheduler, [*big, *small], 10)
    assert max(ended.index(each) for each in small) < 16


@given(
    st.integers(1, 40),
    st.integers(1, 300),
    st.integers(-5, 600),
    st.one_of(st.none(), st.integers(1, 20)),
)
def test_an_answer_has_all_the_room_that_is_there(
    blocks: int, prompt: int, most: int, silence: int | None
) -> None:
    one = sequence(prompt)
    one.unprompted = None if silence is None else one.shadow([0] * silence)
    room = Scheduler(BlockPool(blocks), Limits()).room_for_answer(one, most=most)

    def fits(answer: int) -> bool:
        used = [-(-(each.prompt_tokens + answer) // BLOCK_TOKENS) for each in one.readings]
        return sum(used) <= blocks

    assert room <= most
    assert room < 1 or fits(room)
    assert room == most or not fits(max(0, room) + 1)


def test_limits_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidLimit, match="mixed_tokens must be at least 1, got 0"):
        Limits(mixed_tokens=0)


@dataclass
class Day:
    """Random comings, goings and growings, with the invariants looked at after every step."""

    seed: int
    blocks: int
    limits: Limits
    written: dict[Sequence, int] = field(default_factory=dict)

    def run(self, arrivals: int) -> Scheduler:
        chance = random.Random(self.seed)
        scheduler = Scheduler(BlockPool(self.blocks), self.limits)
        present: list[Sequence] = []
        while arrivals or present:
            if arrivals and chance.random() < 0.4:
                present.append(self._arrive(scheduler, chance))
                arrivals -= 1
            if chance.random() < 0.02 and present:
                self._leave(scheduler, present, chance.choice(present))
            for each in [s for s in present if s.is_open]:
                self._grow(scheduler, each, chance)
            spans = advance(scheduler)
            assert spans or all(each.is_open for each in present), "somebody could have gone on"
            self._check(scheduler, spans)
            for each in [s for s in present if s.answer_tokens >= self.written[s]]:
                self._leave(scheduler, present, each)
        return scheduler

    def _arrive(self, scheduler: Scheduler, chance: random.Random) -> Sequence:
        most = self.blocks * BLOCK_TOKENS // 2
        brand = [9] * chance.choice([0, 20, 40])
        ids = [*brand, *(chance.randrange(3) for _ in range(chance.randint(1, most)))][:most]
        one = sequence(
            ids,
            owner=chance.choice("ab"),
            priority=chance.choice([0, 0, 5]),
            is_open=chance.random() < 0.3,
        )
        self.written[one] = chance.randint(1, most // 2)
        if chance.random() < 0.3:  # guided: its answer is read without the prompt, too
            one.unprompted = one.shadow([9] * chance.randint(1, 4))
            self.written[one] = min(self.written[one], scheduler.room_for_answer(one, most=most))
        scheduler.add(one)
        return one

    def _grow(self, scheduler: Scheduler, one: Sequence, chance: random.Random) -> None:
        """Let its source go on; now and then the last guess was wrong, or the prompt is complete."""
        keep = len(one.token_ids) - (chance.randint(0, 3) if chance.random() < 0.3 else 0)
        keep = max(1, keep)
        one.token_ids = one.token_ids[:keep]
        one.prompt_tokens = len(one.token_ids)
        one.computed = min(one.computed, keep)
        del one.keys[keep // BLOCK_TOKENS :]
        one.is_open = chance.random() < 0.7
        if not one.is_open:
            one.computed = min(one.computed, keep - 1)
        scheduler.add(one)

    @staticmethod
    def _leave(scheduler: Scheduler, present: list[Sequence], one: Sequence) -> None:
        scheduler.remove(one)
        present.remove(one)

    @staticmethod
    def _check(scheduler: Scheduler, spans: list[Span]) -> None:
        assert len({span.sequence for span in spans}) == len(spans)
        for each in scheduler.running:
            for reading in each.readings:
                assert reading.computed <= len(reading.blocks) * BLOCK_TOKENS
                assert reading.computed <= len(reading.token_ids)
        held = {b for each in scheduler.running for one in each.readings for b in one.blocks}
        assert scheduler.pool.used == len(held)
        alone = [
            block
            for each in scheduler.running[1:]
            if each.unprompted
            for block in each.unprompted.blocks
        ]
        assert len(set(alone)) == len(alone), "what is read without a prompt is nobody else's"
        for one, other in itertools.combinations(scheduler.running, 2):
            for block in set(one.blocks) & set(other.blocks):  # shared: the same tokens to its end
                end = (one.blocks.index(block) + 1) * BLOCK_TOKENS
                assert one.token_ids[:end] == other.token_ids[:end]


@settings(max_examples=120)
@given(
    seed=st.integers(0, 2**32),
    blocks=st.integers(6, 40),
    sequences=st.integers(1, 6),
    prefill=st.integers(8, 80),
)
def test_everybody_ends_and_every_block_comes_back(
    seed: int, blocks: int, sequences: int, prefill: int
) -> None:
    limits = Limits(sequences=sequences, prefill_tokens=prefill, mixed_tokens=prefill)
    scheduler = Day(seed, blocks, limits).run(25)
    assert scheduler.pool.used == 0
    assert scheduler.waiting == 0
    assert scheduler._computing == {}


def step_s(*, queued: int, context: int = 256, is_cache_full: bool = False) -> float:
    """Return the processor's time for a step of the schedule while 16 write and so many wait."""
    blocks = 20 * (context // BLOCK_TOKENS + 8)
    scheduler = Scheduler(BlockPool(blocks), Limits(sequences=16, prefill_tokens=10**9))
    if is_cache_full:
        for number in range(20):
            one = sequence([10**6 * (number + 1) + i for i in range(context)])
            scheduler.add(one)
            advance(scheduler)
            scheduler.remove(one)
    for number in range(queued + 16):
        begin = 10**9 + number * context
        ids = list(range(begin, begin + context)) if number < 32 else [number] * 40
        scheduler.add(sequence(ids, owner=str(number % 7)))
    advance(scheduler)
    times = []
    for _ in range(60):
        began = time.process_time()
        advance(scheduler)
        times.append(time.process_time() - began)
    assert len(scheduler.running) == 16
    return sorted(times)[len(times) // 2]


def test_a_step_costs_the_same_however_many_wait() -> None:
    few, many = step_s(queued=10), step_s(queued=10_000)
    assert many < 2 * few + 0.0005, f"{few * 1e6:.0f} and {many * 1e6:.0f} us"


@pytest.mark.prove
def test_the_schedule_costs_the_same_for_long_contexts_and_a_full_cache() -> None:
    base = step_s(queued=10)
    table = {
        f"{queued} wait, context {context}, cache {'full' if full else 'empty'}": step_s(
            queued=queued, context=context, is_cache_full=full
        )
        for queued in (10, 1000, 10_000)
        for context in (256, 4096)
        for full in (False, True)
    }
    for what, cost_s in table.items():
        print(f"{what}: {cost_s * 1e6:.0f} us a step")
    assert max(table.values()) < 3 * base + 0.0005
