"""One loaded model at work: its runner, its scheduler, and the step that joins them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from inferencecloud.engine.blocks import root_key
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.growing import GrowingPrompt
from inferencecloud.engine.loading import Spelling
from inferencecloud.engine.protocol import ModelInfo
from inferencecloud.engine.requests import Message, Request, Role, Text
from inferencecloud.engine.runner import Runner
from inferencecloud.engine.sampling import Choice, Sampler, choose_batch
from inferencecloud.engine.scheduler import Scheduler, Span
from inferencecloud.engine.sequence import Sequence, Times
from inferencecloud.engine.serial import GenerationFailed
from inferencecloud.engine.stage import Stage
from inferencecloud.engine.text import TextStream

logger = logging.getLogger(__name__)

Fail = Callable[[Sequence, EngineError], None]

_WARM_UP_PROMPT_TOKENS = 128
_WARM_UP_NEW_TOKENS = 24


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
    live: set[Sequence] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    used_at: float = field(default_factory=time.monotonic)

    def sequence(self, request: Request, stage: Stage, number: int) -> Sequence:
        """Return a new sequence for the request.

        Raises:
            TemplateRefused: The chat template does not take its messages.
            InvalidSchema: The JSON schema is none, or wants what cannot be guaranteed.
        """
        encoder = self.spelling.encoder
        return Sequence(
            request=request,
            stage=stage,
            number=number,
            root=root_key(request.owner, self.info.digest),
            growing=GrowingPrompt(request, encoder),
            stream=TextStream(encoder.decode, request.sampling),
            sampler=Sampler(request.sampling, self.spelling.vocabulary),
            times=Times(submitted_at=time.monotonic()),
        )

    def step(self, fail: Fail) -> list[tuple[Sequence, Choice]]:
        """Compute one step; return the tokens that it brought. What breaks a sequence goes to `fail`."""
        spans = self.scheduler.plan()
        now = self.used_at = time.monotonic()
        for span in spans:
            if span.sequence.times.started_at is None:
                span.sequence.times.started_at = now
        choices: list[tuple[Sequence, Choice]] = []
        for part, logits in self._run(spans, fail):
            bringing = [span.sequence for span in part if span.brings_token]
            self._count(part)
            self.scheduler.advance(part)
            if bringing:
                choices += self._choose(*self._sound(bringing, logits, fail), fail)
        return choices

    def warm_up(self) -> None:
        """Take the first, slow steps, and measure the speed for one request alone."""
        room = max(2, self.info.context_tokens - _WARM_UP_NEW_TOKENS)
        prompt = [1] * min(_WARM_UP_PROMPT_TOKENS, room)
        for _ in range(2):
            sequence = self._rehearsal(prompt)
            started = time.perf_counter()
            self._rehearse(sequence)
            filled = time.perf_counter()
            for _ in range(_WARM_UP_NEW_TOKENS):
                sequence.token_ids.append(1)
                self._rehearse(sequence)
            ended = time.perf_counter()
            self.scheduler.remove(sequence)
            self.runner.forget(sequence)
            self.scheduler.pool.clear_cache()
        self.info = replace(
            self.info,
            prefill_tokens_per_s=len(prompt) / (filled - started),
            decode_tokens_per_s=_WARM_UP_NEW_TOKENS / (ended - filled),
        )
        self.tally = Tally()
        self.scheduler.counts = type(self.scheduler.counts)()

    def _rehearsal(self, prompt: list[int]) -> Sequence:
        message = Message(Role.USER, (Text("warm-up"),))
        request = Request(id="warm-up", model=self.info.key, messages=(message,))
        sequence = self.sequence(request, Stage([request.id], lambda _stage, _id: None), 0)
        sequence.token_ids, sequence.prompt_tokens = list(prompt), len(prompt)
        sequence.is_open = False
        self.scheduler.add(sequence)
        return sequence

    def _rehearse(self, sequence: Sequence) -> None:
        """Compute all that is pending."""
        while sequence.pending:
            spans = self.scheduler.plan()
            self.runner.run(spans)
            self.scheduler.advance(spans)

    def _run(self, spans: list[Span], fail: Fail) -> list[tuple[list[Span], Tensor]]:
        """Compute the spans together, or each alone when together they fail: only the culprit ends."""
        if not spans:
            return []
        try:
            return [(spans, self.runner.run(spans))]
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
            if span.brings_token:
                self.tally.generated_tokens += 1
            self.tally.prefill_tokens += span.tokens - (1 if span.sequence.is_decoding else 0)

    def _sound(
        self, sequences: list[Sequence], logits: Tensor, fail: Fail
    ) -> tuple[list[Sequence], Tensor]:
        """Return those whose scores are numbers; the others fail."""
        sound = logits.amax(dim=1).isfinite()
        if bool(sound.all()):
            return sequences, logits
        for place in (~sound).nonzero().flatten().tolist():
            fail(sequences[place], GenerationFailed("its scores are not finite numbers"))
        kept = sound.nonzero().flatten()
        return [sequences[place] for place in kept.tolist()], logits[kept]

    def _choose(
        self, sequences: list[Sequence], logits: Tensor, fail: Fail
    ) -> list[tuple[Sequence, Choice]]:
        """Return the next token of each that has one; what contradicts itself fails alone."""
        choices: list[tuple[Sequence, Choice]] = []
        plain = [place for place, s in enumerate(sequences) if s.sampler.is_plain]
        if plain:
            rows = logits if len(plain) == len(sequences) else logits[plain]
            chosen = choose_batch([sequences[p].sampler for p in plain], rows, [()] * len(plain))
            choices = [(sequences[p], choice) for p, choice in zip(plain, chosen, strict=True)]
        for place, sequence in enumerate(sequences):
            if sequence.sampler.is_plain:
                continue
            try:
                choice = sequence.sampler.choose(logits[place], sequence.answer)
            except EngineError as problem:
                fail(sequence, problem)
            except Exception as error:  # whatever breaks in one request, the others go on
                logger.exception("No token could be chosen for %s", sequence.request.id)
                fail(sequence, GenerationFailed(error))
            else:
                choices.append((sequence, choice))
        return choices


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether the machine had no memory; torch says so on a CPU in words only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)
