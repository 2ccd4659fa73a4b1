"""Blocks: each has as many users as were counted, and is found by exactly what stands in it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferencecloud.engine.blocks import BlockPool, InvalidBlockCount, next_key, root_key


def test_every_block_is_handed_out_once() -> None:
    pool = BlockPool(3)
    assert sorted([pool.take(), pool.take(), pool.take()]) == [0, 1, 2]  # type: ignore[type-var]
    assert pool.take() is None
    assert (pool.used, pool.free) == (3, 0)


def test_a_pool_without_blocks_is_refused() -> None:
    with pytest.raises(InvalidBlockCount, match="at least 1 block, got 0"):
        BlockPool(0)


def test_content_is_found_until_its_space_is_needed() -> None:
    pool = BlockPool(2)
    first = pool.take()
    assert first is not None
    key = next_key(root_key("a"), range(16))
    pool.seal(first, key)
    pool.release([first])
    assert pool.find([key]) == [first]
    assert pool.take() != first  # what holds nothing goes first
    assert pool.find([key]) == [first]
    assert pool.take() == first
    assert pool.find([key]) == []


def test_what_was_unused_for_longest_goes_first() -> None:
    pool = BlockPool(3)
    keys = [next_key(root_key("a"), [n] * 16) for n in range(3)]
    blocks = [pool.take() for _ in keys]
    for block, key in zip(blocks, keys, strict=True):
        assert block is not None
        pool.seal(block, key)
    pool.release(b for b in blocks if b is not None)
    pool.share(pool.find([keys[0]]))
    pool.release(pool.find([keys[0]]))  # used again: now the youngest
    pool.take()
    assert [bool(pool.find([key])) for key in keys] == [True, False, True]


def test_a_beginning_is_found_as_far_as_it_is_whole() -> None:
    pool = BlockPool(4)
    before, keys = root_key("a"), []
    for number in range(3):
        before = next_key(before, [number] * 16)
        keys.append(before)
        block = pool.take()
        assert block is not None
        if number != 1:
            pool.seal(block, before)
    assert len(pool.find(keys)) == 1


def test_another_owner_or_model_or_beginning_finds_nothing() -> None:
    roots = [
        root_key("acme", "m1"),
        root_key("other", "m1"),
        root_key("acme", "m2"),
        root_key("acmem1", ""),
    ]
    assert len({next_key(root, range(16)) for root in roots}) == 4
    chained = next_key(next_key(roots[0], range(16)), range(16))
    assert chained != next_key(roots[0], range(16))


def test_a_pool_that_keeps_no_content_never_finds_any() -> None:
    pool = BlockPool(2, keeps_content=False)
    block = pool.take()
    assert block is not None
    key = next_key(root_key("a"), range(16))
    pool.seal(block, key)
    assert not pool.is_sealed(block)
    assert pool.find([key]) == []


class Life:
    """A pool and what was done with it, at random."""

    def __init__(self, seed: int, count: int) -> None:
        self.chance = random.Random(seed)
        self.pool = BlockPool(count)
        self.held: list[int] = []  # a block once for each of its users
        self.content: dict[int, bytes] = {}

    def take(self) -> None:
        block = self.pool.take()
        assert (block is None) == (len(set(self.held)) == self.pool.count)
        if block is not None:
            assert block not in self.held
            self.held.append(block)
            self.content.pop(block, None)

    def release(self) -> None:
        if self.held:
            self.pool.release([self.held.pop(self.chance.randrange(len(self.held)))])

    def seal(self) -> None:
        block = self.chance.choice(self.held) if self.held else None
        if block is not None and not self.pool.is_sealed(block):
            self.content[block] = next_key(root_key(str(self.chance.random())), range(16))
            self.pool.seal(block, self.content[block])

    def share(self) -> None:
        for block, key in list(self.content.items())[:1]:
            if self.pool.find([key]) == [block]:
                self.pool.share([block])
                self.held.append(block)

    def clear(self) -> None:
        if self.chance.random() < 0.2:
            self.pool.clear_cache()
            self.content = {b: key for b, key in self.content.items() if b in self.held}


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 12))
def test_users_are_counted_through_any_life(seed: int, count: int) -> None:
    life = Life(seed, count)
    for _ in range(120):
        life.chance.choice([life.take, life.release, life.seal, life.share, life.clear])()
        assert life.pool.used == len(set(life.held))
        assert life.pool.used + life.pool.free == count
    for block, key in life.content.items():
        assert life.pool.find([key]) in ([block], [])
