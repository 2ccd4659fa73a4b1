"""One request as the engine sees it: its tokens, how far they are computed, what it has said.

A sequence waits, is admitted (it has blocks), may be displaced and admitted again, and ends once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from inferencecloud.engine.blocks import BLOCK_TOKENS, Key, next_key
from inferencecloud.engine.drafting import Lookup
from inferencecloud.engine.growing import GrowingPrompt, Source, common_prefix
from inferencecloud.engine.requests import Finish, FinishReason, Request, Resume
from inferencecloud.engine.text import TextStream

if TYPE_CHECKING:
    from inferencecloud.engine.adapters import Adapter
    from inferencecloud.engine.errors import EngineError
    from inferencecloud.engine.sampling import Sampler
    from inferencecloud.engine.stage import Stage


@dataclass(slots=True)
class Times:
    """When things happened to it (seconds of `time.monotonic`)."""

    submitted_at: float
    ready_at: float | None = None  # everything that it reads was there
    started_at: float | None = None
    first_token_at: float | None = None

    def finish(
        self, reason: FinishReason, error: EngineError | None, counts: tuple[int, int]
    ) -> Finish:
        """Return the account of the end, which is now; `counts` are prompt and new tokens."""
        now = time.monotonic()
        ready = self.ready_at if self.ready_at is not None else now
        return Finish(
            reason=reason,
            error=error,
            prompt_tokens=counts[0],
            new_tokens=counts[1],
            waited_s=max(0.0, (self.started_at if self.started_at is not None else now) - ready),
            first_token_s=None if self.first_token_at is None else self.first_token_at - ready,
            total_s=now - ready,
        )


@dataclass(slots=True, eq=False, kw_only=True)
class Sequence:
    """A request on its way. The engine's thread alone changes it."""

    request: Request
    stage: Stage
    number: int  # order of arrival; a source has a lower one than its readers
    root: Key  # names who may share its blocks
    growing: GrowingPrompt
    stream: TextStream
    sampler: Sampler
    times: Times
    adapter: Adapter | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    readers: list[Sequence] = field(default_factory=list)
    token_ids: list[int] = field(
        default_factory=list
    )  # the prompt as far as it is known, the answer
    prompt_tokens: int = 0
    is_open: bool = True  # the prompt still grows
    answer_limit: int = 0
    said: str = ""  # the text of the answer that was given out, an earlier attempt's included
    computed: int = 0  # tokens whose keys and values are in the memory
    blocks: list[int] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)  # of the full blocks of token_ids
    promised: list[Key] = field(default_factory=list)  # of blocks that others may wait for
    reason: FinishReason | None = None
    was_admitted: bool = False
    lookup: Lookup = field(default_factory=Lookup)
    unprompted: Sequence | None = None  # its answer behind a chat without words, where it is guided

    @property
    def rank(self) -> tuple[int, int]:
        """Return its place among those that want to be served; the smallest comes first."""
        return (self.request.priority, self.number)

    @property
    def readings(self) -> tuple[Sequence, ...]:
        """Return everything that has blocks for it: itself, and its answer without the prompt."""
        return (self,) if self.unprompted is None else (self, self.unprompted)

    @property
    def answer(self) -> list[int]:
        """Return the ids of the answer so far."""
        return self.token_ids[self.prompt_tokens :]

    @property
    def answer_tokens(self) -> int:
        """Return how many tokens the answer has."""
        return len(self.token_ids) - self.prompt_tokens

    @property
    def pending(self) -> int:
        """Return how many tokens wait to be computed."""
        return len(self.token_ids) - self.computed

    @property
    def is_decoding(self) -> bool:
        """Tell whether a single token stands between it and its next."""
        return not self.is_open and self.pending == 1

    def shadow(self, token_ids: list[int]) -> Sequence:
        """Return one of the same request with other tokens, of which nothing is computed yet."""
        return replace(
            self,
            token_ids=list(token_ids),
            prompt_tokens=len(token_ids),
            is_open=False,
            computed=0,
            blocks=[],
            keys=[],
            promised=[],
            sources={},
            readers=[],
            unprompted=None,
        )

    def follow_answer(self) -> None:
        """Put what the answer has gained behind the chat without words."""
        if self.unprompted is not None:
            other = self.unprompted
            other.token_ids += self.token_ids[self.prompt_tokens + other.answer_tokens :]

    def join(self, others: dict[str, Sequence]) -> None:
        """Tell it, and those that it reads, of one another; read what is known of its prompt."""
        for source in self.request.sources:
            self.sources[source] = Source()
            if source in others:
                others[source].readers.append(self)
        self.read_on()

    def read_on(self) -> None:
        """Take up what the sources have written since; forget what was computed on a wrong guess."""
        ids, complete = self.growing.token_ids(self.sources)
        same = common_prefix(self.token_ids, ids)
        self.token_ids = ids
        self.prompt_tokens = len(ids)
        self.computed = min(self.computed, same)
        del self.keys[same // BLOCK_TOKENS :]
        self.is_open = not complete
        if complete:
            self.computed = min(self.computed, len(ids) - 1)  # the last one's logits are wanted
            self.times.ready_at = time.monotonic()
            self.sampler.read(ids)
            self.take_up(self.request.resume)

    def take_up(self, resume: Resume | None) -> None:
        """Put the answer of an earlier attempt behind the prompt."""
        if resume is None:
            return
        answer = list(resume.token_ids) or self.growing.encode(resume.text)
        self.stream.replay(answer, resume)
        self.said = resume.text
        self.token_ids = [*self.token_ids, *answer]

    def known_keys(self) -> list[Key]:
        """Return the keys of the full blocks of its tokens."""
        while (len(self.keys) + 1) * BLOCK_TOKENS <= len(self.token_ids):
            start = len(self.keys) * BLOCK_TOKENS
            before = self.keys[-1] if self.keys else self.root
            self.keys.append(next_key(before, self.token_ids[start : start + BLOCK_TOKENS]))
        return self.keys
