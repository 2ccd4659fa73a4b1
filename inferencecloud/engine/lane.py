"""One loaded model at work: its runner, its scheduler, and the step that joins them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from inferencecloud.engine.adapters import Adapter, AdapterMismatch, Shelf, read_adapter
from inferencecloud.engine.blocks import BLOCK_TOKENS, root_key
from inferencecloud.engine.choosing import Fail, Scored, choose
from inferencecloud.engine.drafting import StepCost
from inferencecloud.engine.growing import GrowingPrompt
from inferencecloud.engine.loading import Spelling
from inferencecloud.engine.pacing import Threads, measured
from inferencecloud.engine.protocol import AdapterInfo, ModelInfo
from inferencecloud.engine.requests import Message, Request, Role, Text
from inferencecloud.engine.runner import Runner
from inferencecloud.engine.sampling import Choice, Sampler, highest
from inferencecloud.engine.scheduler import Scheduler
from inferencecloud.engine.sequence import Sequence, Times
from inferencecloud.engine.serial import AdapterNotLoaded, GenerationFailed
from inferencecloud.engine.span import Span, with_unprompted
from inferencecloud.engine.speculation import DraftModel, step_cost
from inferencecloud.engine.stage import Stage
from inferencecloud.engine.text import TextStream

logger = logging.getLogger(__name__)

Take = Callable[[Sequence, Choice], None]

_WARM_UP_PROMPT_TOKENS = 128
_WARM_UP_NEW_TOKENS = 8


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a model has done since it was loaded."""

    steps: int = 0
    prefill_tokens: int = 0
    generated_tokens: int = 0
    failures: int = 0
    memory_failures: int = 0


@dataclass(slots=True, eq=False, kw_only=True)
class Lane:
    """A model with its sequences; the engine's thread alone lets it step."""

    info: ModelInfo
    spelling: Spelling
    runner: Runner
    scheduler: Scheduler
    adapters: Shelf
    threads: Threads  # how many a small step has is measured at warm-up
    draft_model: DraftModel | None = None
    live: set[Sequence] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    used_at: float = field(default_factory=time.monotonic)

    def sequence(self, request: Request, stage: Stage, number: int) -> Sequence:
        """Return a new sequence for the request.

        Raises:
            TemplateRefused: The chat template does not take its messages.
            InvalidSchema: The JSON schema is none, or wants what cannot be guaranteed.
            AdapterNotLoaded: It names an adapter that is not loaded.
        """
        encoder = self.spelling.encoder
        adapter = None if request.adapter is None else self.adapters.get(request.adapter)
        salts = () if adapter is None else (adapter.info.digest,)
        sequence = Sequence(
            request=request,
            stage=stage,
            number=number,
            root=root_key(request.owner, self.info.digest, *salts),
            growing=GrowingPrompt(request, encoder),
            stream=TextStream(encoder.decode, request.sampling),
            sampler=Sampler(
                request.sampling,
                self.spelling.vocabulary,
                guidance_scale=self.info.guidance_scale,
            ),
            times=Times(submitted_at=time.monotonic()),
            adapter=adapter,
        )
        if sequence.sampler.is_guided:
            roles = [message.role.value for message in request.messages]
            sequence.unprompted = sequence.shadow(encoder.encode_silence(roles))
        return sequence

    def forget(self, sequence: Sequence) -> None:
        """Let a sequence that has ended go, and all that was computed for it."""
        self.live.discard(sequence)
        self.scheduler.remove(sequence)
        for reading in sequence.readings:
            self.runner.forget(reading)

    def read_adapter(self, folder: Path, *, key: str) -> Adapter:
        """Return an adapter for the model, read but not taken in yet.

        Raises:
            AdapterMismatch: It does not fit the model, or is not of the kind that is known.
        """
        if self.runner.decoder is None:
            problem = f"{self.info.name} runs through plain transformers, which takes none"
            raise AdapterMismatch(folder, problem)
        return read_adapter(folder, self.runner.decoder, key=key, model=self.info.key)

    def take_adapter(self, adapter: Adapter) -> AdapterInfo:
        """Take an adapter in; one that no live sequence has may go for it.

        Raises:
            AdapterKeyTaken: Another has its key.
            AdaptersInUse: There is no room for one more.
        """
        return self.adapters.put(adapter, used=[sequence.adapter for sequence in self.live])

    def drop_adapter(self, key: str) -> tuple[AdapterNotLoaded, list[Sequence]]:
        """Forget an adapter; return what is the matter with the sequences that have it, and those."""
        self.adapters.remove(key)
        users = [sequence for sequence in self.live if sequence.request.adapter == key]
        left = [info.key for info in self.adapters.list()]
        return AdapterNotLoaded(key, left), sorted(users, key=lambda each: each.number)

    def step(self, fail: Fail, take: Take) -> None:
        """Compute one step; the tokens that it brings go to `take`, what breaks a sequence to `fail`."""
        spans = self.scheduler.plan()
        now = self.used_at = time.monotonic()
        for span in spans:
            if span.sequence.times.started_at is None:
                span.sequence.times.started_at = now
        self.threads.use(sum(span.total_tokens for span in spans))
        for part, logits in self._run(spans, fail):
            scored = self._scored(part, logits, fail)
            self._count(part)
            self.scheduler.advance(part)
            for span, choices in choose(scored, fail):
                for choice in choices:
                    take(span.sequence, choice)
                if span.draft:
                    self.scheduler.confirm(span, len(choices) - 1)

    def warm_up(self) -> None:
        """Take the first, slow steps, and measure the speed for one request alone."""
        torch.set_num_threads(self.threads.most)  # another model's last step may have had one
        # Behind prompt and answer there is a block for drafts, in the context of a small model, too.
        room = self.info.context_tokens - _WARM_UP_NEW_TOKENS - BLOCK_TOKENS
        blocks = min(_WARM_UP_PROMPT_TOKENS, room) // BLOCK_TOKENS
        prompt = [1] * max(1, blocks * BLOCK_TOKENS)
        self._end_rehearsal(self._rehearsal(prompt))
        sequence = self._rehearsal(prompt)
        started = time.perf_counter()
        self._rehearse(sequence)
        filled = time.perf_counter()
        for _ in range(_WARM_UP_NEW_TOKENS):
            sequence.token_ids.append(1)
            self._rehearse(sequence)
        ended = time.perf_counter()
        self.info = replace(
            self.info,
            prefill_tokens_per_s=len(prompt) / (filled - started),
            decode_tokens_per_s=_WARM_UP_NEW_TOKENS / (ended - filled),
        )
        if self.runner.shares_blocks:
            self.threads = measured(self.runner, sequence, most=self.threads.most)
            self.scheduler.cost = self._step_cost(sequence)
        if self.draft_model is not None:
            self.draft_model.warm_up(sequence)
        self._end_rehearsal(sequence)
        self.scheduler.drafter = self.draft_model
        self.tally = Tally()
        self.scheduler.counts = type(self.scheduler.counts)()

    def _step_cost(self, sequence: Sequence) -> StepCost:
        """Measure how much a step costs more when drafted tokens are checked in it."""
        sequence.token_ids.append(1)
        return step_cost(self.runner, sequence)

    def _rehearsal(self, prompt: list[int]) -> Sequence:
        message = Message(Role.USER, (Text("warm-up"),))
        request = Request(id="warm-up", model=self.info.key, messages=(message,))
        sequence = self.sequence(request, Stage([request.id], lambda _stage, _id: None), 0)
        sequence.token_ids, sequence.prompt_tokens = list(prompt), len(prompt)
        sequence.is_open = False
        self.scheduler.add(sequence)
        return sequence

    def _end_rehearsal(self, sequence: Sequence) -> None:
        """Compute what is pending, and leave nothing behind."""
        self._rehearse(sequence)
        self.forget(sequence)
        self.scheduler.pool.clear_cache()

    def _rehearse(self, sequence: Sequence) -> None:
        """Compute all that is pending."""
        while sequence.pending:
            spans = self.scheduler.plan()
            self.runner.run(with_unprompted(spans))
            self.scheduler.advance(spans)

    def _run(self, spans: list[Span], fail: Fail) -> list[tuple[list[Span], Tensor]]:
        """Compute the spans together, or each alone when together they fail: only the culprit ends."""
        if not spans:
            return []
        try:
            return [(spans, self.runner.run(with_unprompted(spans)))]
        except Exception as error:  # whatever broke inside the model, the engine goes on
            if _is_out_of_memory(error) and self._ease():
                return []
            if len(spans) == 1:
                logger.exception("Request %s failed inside the model", spans[0].sequence.request.id)
                fail(spans[0].sequence, GenerationFailed(error))
                return []
        return [each for span in spans for each in self._run([span], fail)]

    def _ease(self) -> bool:
        """Take smaller steps after the machine had no memory for one; False when they cannot shrink."""
        self.tally.memory_failures += 1
        limits = self.scheduler.limits
        if limits.prefill_tokens == 1:
            return False
        self.scheduler.limits = replace(
            limits,
            prefill_tokens=max(1, limits.prefill_tokens // 2),
            mixed_tokens=max(1, limits.mixed_tokens // 2),
        )
        logger.warning(
            "No memory for a step of %s; from now on %d tokens of prompts at most",
            self.info.name,
            self.scheduler.limits.prefill_tokens,
        )
        return True

    def _count(self, spans: Seq[Span]) -> None:
        self.tally.steps += 1
        for span in spans:
            known = span.tokens - len(span.draft)
            self.tally.prefill_tokens += known - (1 if span.sequence.is_decoding else 0)

    def _scored(self, spans: Seq[Span], logits: Tensor, fail: Fail) -> list[Scored]:
        """Return every span that wants logits with its own; what is no number ends its sequence."""
        likeliest, finite = highest(logits)
        scored: list[Scored] = []
        row, other = 0, sum(span.rows for span in spans)
        for span in spans:
            first, row = row, row + span.rows
            is_finite = all(finite[first:row])
            unprompted = None
            if span.unprompted is not None:
                unprompted, other = other, other + span.rows
                is_finite = is_finite and all(finite[unprompted:other])
            if not is_finite:
                fail(span.sequence, GenerationFailed("its scores are not finite numbers"))
            elif row > first:
                scored.append(Scored(span, logits, first, likeliest[first:row], unprompted))
        return scored


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether the machine had no memory; torch says so on a CPU in words only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)
