"""Hand out the blocks of the KV memory, and know which of them hold what was computed before.

A full block is known by what stands in it and before it (a chain of hashes, as in PagedAttention's prefix
cache: Kwon et al. 2023, arXiv:2309.06180, and vLLM's automatic prefix caching). Who asks for the same
beginning shares it. A block that nobody uses any more keeps its content until the space is needed; the one
unused for longest goes first. The first link of a chain is salted, so nobody finds another's.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels import BLOCK_TOKENS

__all__ = ["BLOCK_TOKENS", "BlockPool", "InvalidBlockCount", "Key", "next_key", "root_key"]

Key = bytes  # names the content of a block and of all blocks before it


class InvalidBlockCount(EngineError, ValueError):
    """A pool needs at least one block."""

    def __init__(self, got: int) -> None:
        super().__init__(f"A pool of KV blocks needs at least 1 block, got {got}.")


def root_key(*salts: str) -> Key:
    """Return the key before the first block: who may share, the model, the adapter where there is one."""
    digest = blake2b(digest_size=16)
    for salt in salts:
        digest.update(len(salt).to_bytes(4, "big") + salt.encode())
    return digest.digest()


def next_key(before: Key, token_ids: Sequence[int]) -> Key:
    """Return the key of a full block from the key before it and its tokens."""
    return blake2b(before + array("q", token_ids).tobytes(), digest_size=16).digest()


@dataclass(slots=True)
class _Block:
    """Who uses a block, and what it is known by."""

    users: int = 0
    key: Key | None = None


class BlockPool:
    """Counts the users of every block and finds blocks by their key; one thread alone may use it."""

    def __init__(self, count: int, *, keeps_content: bool = True) -> None:
        if count < 1:
            raise InvalidBlockCount(count)
        self.count = count
        self._keeps_content = keeps_content
        self._blocks = [_Block() for _ in range(count)]
        self._empty = list(range(count - 1, -1, -1))  # without content, the lowest number on top
        self._kept: OrderedDict[int, None] = OrderedDict()  # with content and unused, oldest first
        self._by_key: dict[Key, int] = {}

    @property
    def free(self) -> int:
        """Return how many blocks nobody uses."""
        return len(self._empty) + len(self._kept)

    @property
    def used(self) -> int:
        """Return how many blocks somebody uses."""
        return self.count - self.free

    @property
    def cached(self) -> int:
        """Return how many blocks can be found by their content."""
        return len(self._by_key)

    def take(self) -> int | None:
        """Return an empty block for one user, or None when all are in use."""
        if self._empty:
            number = self._empty.pop()
        elif self._kept:
            number, _ = self._kept.popitem(last=False)
            self._forget(number)
        else:
            return None
        self._blocks[number].users = 1
        return number

    def find(self, keys: Iterable[Key]) -> list[int]:
        """Return the blocks of the longest beginning of the chain that is here; uses none of them."""
        found = []
        for key in keys:
            number = self._by_key.get(key)
            if number is None:
                break
            found.append(number)
        return found

    def unused(self, numbers: Sequence[int]) -> int:
        """Return how many of the blocks nobody uses: sharing them makes so many less free."""
        return sum(self._blocks[number].users == 0 for number in numbers)

    def share(self, numbers: Sequence[int]) -> None:
        """Count one user more of each block."""
        for number in numbers:
            if self._blocks[number].users == 0:
                del self._kept[number]
            self._blocks[number].users += 1

    def seal(self, number: int, key: Key) -> None:
        """Let a full block be found; its content changes no more. The first with a key stays the one."""
        is_new = key not in self._by_key and self._blocks[number].key is None
        if is_new and self._keeps_content:
            self._blocks[number].key = key
            self._by_key[key] = number

    def is_sealed(self, number: int) -> bool:
        """Tell whether others may find, and read, the block."""
        return self._blocks[number].key is not None

    def release(self, numbers: Iterable[int]) -> None:
        """Count one user less of each; give the last blocks of a chain first, so that its beginning lasts."""
        for number in numbers:
            block = self._blocks[number]
            block.users -= 1
            if block.users == 0 and block.key is not None:
                self._kept[number] = None
            elif block.users == 0:
                self._empty.append(number)

    def clear_cache(self) -> None:
        """Forget all content that nobody uses."""
        for number in self._kept:
            self._forget(number)
            self._empty.append(number)
        self._kept.clear()

    def _forget(self, number: int) -> None:
        block = self._blocks[number]
        if block.key is not None:
            del self._by_key[block.key]
            block.key = None
