"""Run real models through transformers, one request at a time: streaming, stoppable, seeded.

This is the reference: plain forward passes with transformers' own cache. What is faster must say the same.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from inferencecloud.artifacts.manifest import verify_artifact
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.loading import Spelling, open_model, open_spelling, own_guidance_scale
from inferencecloud.engine.prompt import PromptEncoder
from inferencecloud.engine.protocol import ModelInfo
from inferencecloud.engine.requests import NO_GUIDANCE, FinishReason, Request, Resume
from inferencecloud.engine.sampling import Sampler
from inferencecloud.engine.serial import Chunk, ModelNotLoaded, SerialEngine, Turn
from inferencecloud.engine.text import TextStream

_WARM_UP_PROMPT_TOKENS = 128
_WARM_UP_NEW_TOKENS = 24


class ModelKeyTaken(EngineError):
    """Another model is loaded under the key."""

    def __init__(self, key: str, name: str) -> None:
        super().__init__(f"The key {key} belongs to the loaded model {name}; unload it first.")


class PromptTooLong(EngineError):
    """The prompt leaves no room for an answer."""

    def __init__(self, prompt_tokens: int, context_tokens: int) -> None:
        super().__init__(
            f"The prompt has {prompt_tokens} tokens; this model reads at most "
            f"{context_tokens - 1} and then writes. Shorten the instruction or its sources."
        )


class InvalidConfig(EngineError, ValueError):
    """A setting of the engine is out of its range."""

    def __init__(self, name: str, got: int) -> None:
        super().__init__(f"{name} must be at least 1, got {got}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What the engine may use of the machine."""

    threads: int | None = None  # None: the cores of this process, less one for the web server
    device: str | None = None  # None: the GPU where there is one
    prefill_chunk_tokens: int = 256  # a cancel is heard between chunks

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise InvalidConfig("threads", self.threads)
        if self.prefill_chunk_tokens < 1:
            raise InvalidConfig("prefill_chunk_tokens", self.prefill_chunk_tokens)

    def resolved_threads(self) -> int:
        """Return the number of threads to compute with."""
        return self.threads or max(1, len(os.sched_getaffinity(0)) - 1)

    def resolved_device(self) -> str:
        """Return the device to compute on."""
        return self.device or ("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A model in memory."""

    info: ModelInfo
    model: PreTrainedModel
    spelling: Spelling

    @property
    def encoder(self) -> PromptEncoder:
        """Return what turns texts into ids and back."""
        return self.spelling.encoder


class TransformersEngine(SerialEngine):
    """Serves artifacts with transformers on one thread of its own."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        super().__init__()
        self.config = config or EngineConfig()
        self._loaded: dict[str, _Loaded] = {}
        self._loading = threading.Lock()

    def load(self, folder: Path, *, key: str) -> ModelInfo:
        """Load the artifact under the key, verified and warmed up; the same again is free.

        Raises:
            ArtifactError: The artifact is not what its manifest says.
            ModelKeyTaken: Another model has this key.
        """
        with self._loading:
            artifact = verify_artifact(folder)
            present = self._loaded.get(key)
            if present is not None and present.info.digest == artifact.manifest.digest:
                return present.info
            if present is not None:
                raise ModelKeyTaken(key, present.info.name)
            info = ModelInfo(
                key=key,
                name=artifact.manifest.name,
                digest=artifact.manifest.digest,
                context_tokens=artifact.manifest.context_tokens,
                prefill_tokens_per_s=0.0,
                decode_tokens_per_s=0.0,
                guidance_scale=own_guidance_scale(folder),
            )
            loaded = self._call(lambda: self._warm_up(self._open(folder, info)))
            self._loaded = {**self._loaded, key: loaded}
            return loaded.info

    def unload(self, key: str) -> None:
        """Forget the model; its memory is free once a request that is being written has ended."""
        with self._loading:
            self._loaded = {k: loaded for k, loaded in self._loaded.items() if k != key}

    def models(self) -> list[ModelInfo]:
        """Return the loaded models."""
        return [loaded.info for loaded in self._loaded.values()]

    def count_tokens(self, key: str, text: str) -> int:
        """Return how many tokens the text is to the model."""
        return len(self._get(key).encoder.encode_text(text))

    def estimate_s(self, key: str, *, prompt_tokens: int, new_tokens: int) -> float:
        """Return about how many seconds such a request takes when it is alone."""
        info = self._get(key).info
        return prompt_tokens / info.prefill_tokens_per_s + new_tokens / info.decode_tokens_per_s

    def _get(self, key: str) -> _Loaded:
        loaded = self._loaded.get(key)
        if loaded is None:
            raise ModelNotLoaded(key, list(self._loaded))
        return loaded

    def _require_model(self, key: str) -> None:
        self._get(key)

    def _begin_thread(self) -> None:
        # Counts for this thread and for those that torch starts later, not for threads under way.
        torch.set_num_threads(self.config.resolved_threads())

    def _open(self, folder: Path, info: ModelInfo) -> _Loaded:
        model = open_model(folder, device=self.config.resolved_device())
        return _Loaded(info=info, model=model, spelling=open_spelling(folder))

    def _warm_up(self, loaded: _Loaded) -> _Loaded:
        """Return the model with its speed measured, its first and slow steps behind it."""
        room = max(2, loaded.info.context_tokens - _WARM_UP_NEW_TOKENS)
        prompt = [1] * min(_WARM_UP_PROMPT_TOKENS, room)
        for _ in range(2):
            run = self._run(
                loaded, silence=[1] if loaded.info.guidance_scale != NO_GUIDANCE else []
            )
            started = time.perf_counter()
            for _ in run.prefill(prompt, []):
                pass
            filled = time.perf_counter()
            for _ in range(_WARM_UP_NEW_TOKENS):
                run.step(1)
            ended = time.perf_counter()
        measured = replace(
            loaded.info,
            prefill_tokens_per_s=len(prompt) / (filled - started),
            decode_tokens_per_s=_WARM_UP_NEW_TOKENS / (ended - filled),
        )
        return replace(loaded, info=measured)

    def _generate(self, request: Request, turns: Sequence[Turn]) -> Iterator[Chunk]:
        loaded = self._get(request.model)
        prompt = loaded.encoder.encode_chat(turns)
        if len(prompt) >= loaded.info.context_tokens:
            raise PromptTooLong(len(prompt), loaded.info.context_tokens)
        resume = request.resume or Resume()
        answer = list(resume.token_ids) or loaded.encoder.encode_text(resume.text)
        sampler = Sampler(
            request.sampling,
            loaded.spelling.vocabulary,
            guidance_scale=loaded.info.guidance_scale,
        )
        sampler.read(prompt)
        stream = TextStream(loaded.encoder.decode, request.sampling)
        stream.replay(answer, resume)
        yield Chunk(prompt_tokens=len(prompt), reason=stream.reason)
        limit = min(request.sampling.max_new_tokens, loaded.info.context_tokens - len(prompt))
        roles = [turn.role for turn in turns]
        silence = loaded.encoder.encode_silence(roles) if sampler.is_guided else []
        run = self._run(loaded, silence=silence)
        if len(answer) < limit:
            for _ in run.prefill(prompt, answer):
                yield Chunk()
        ends = _Ends(token_ids=loaded.spelling.end_ids, limit_tokens=limit)
        yield from _decode(run, stream=stream, answer=_Answer(answer, sampler), ends=ends)

    def _run(self, loaded: _Loaded, *, silence: Sequence[int]) -> _Run:
        """Return a new run; with ids for the prompt's place it is a guided one."""
        chunk_tokens = self.config.prefill_chunk_tokens
        if silence:
            return _GuidedRun(loaded.model, chunk_tokens, silence=silence)
        return _Run(loaded.model, chunk_tokens)


@dataclass(frozen=True, slots=True)
class _Answer:
    """The tokens of an answer so far, and how the next is chosen."""

    token_ids: list[int]
    sampler: Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    """What ends an answer, text aside."""

    token_ids: frozenset[int]
    limit_tokens: int


def _decode(run: _Run, *, stream: TextStream, answer: _Answer, ends: _Ends) -> Iterator[Chunk]:
    """Yield token after token up to the model's end, a stop string or a limit."""
    ids = answer.token_ids
    while len(ids) < ends.limit_tokens:
        choice = answer.sampler.choose(run.logits, ids, unprompted=run.unprompted)
        token_id = choice.token_id
        if token_id in ends.token_ids:
            yield Chunk(text=stream.finish(), reason=stream.reason or FinishReason.STOP)
            return
        ids.append(token_id)
        text = stream.push(token_id)
        yield Chunk(
            text=text,
            token_ids=(token_id,),
            logprobs=answer.sampler.report(choice),
            reason=stream.reason,
        )
        if len(ids) < ends.limit_tokens:
            run.step(token_id)
    yield Chunk(text=stream.finish(), reason=stream.reason or FinishReason.LENGTH)


class _Run:
    """One sequence in the model: its cache, and the logits for the next token."""

    unprompted: Tensor | None = None  # (V) float32, on the CPU: without the prompt

    def __init__(self, model: PreTrainedModel, chunk_tokens: int) -> None:
        self._model = model
        self._chunk_tokens = chunk_tokens
        self._cache = DynamicCache(config=model.config)
        self.logits: Tensor = torch.empty(0)  # (V) float32, on the CPU

    def prefill(self, prompt: Sequence[int], answer: Sequence[int]) -> Iterator[None]:
        """Read the prompt, and the answer so far, in chunks, yielding between them."""
        token_ids = [*prompt, *answer]
        for start in range(0, len(token_ids), self._chunk_tokens):
            self._forward(token_ids[start : start + self._chunk_tokens])
            yield

    def step(self, token_id: int) -> None:
        """Read one token more."""
        self._forward([token_id])

    @torch.inference_mode()
    def _forward(self, token_ids: Sequence[int]) -> None:
        ids = torch.tensor([list(token_ids)], device=self._model.device)  # (1, T)
        output = self._model(
            input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1
        )
        self.logits = output.logits[0, -1].float().cpu()


class _GuidedRun(_Run):
    """A sequence that is read without its prompt, too."""

    def __init__(
        self, model: PreTrainedModel, chunk_tokens: int, *, silence: Sequence[int]
    ) -> None:
        """Begin with nothing read; `silence` are the ids that stand in the prompt's place."""
        super().__init__(model, chunk_tokens)
        self._other = _Run(model, chunk_tokens)
        self._silence = silence

    def prefill(self, prompt: Sequence[int], answer: Sequence[int]) -> Iterator[None]:
        """Read both in chunks, yielding between them."""
        yield from self._other.prefill(self._silence, answer)
        yield from super().prefill(prompt, answer)
        self.unprompted = self._other.logits

    def step(self, token_id: int) -> None:
        """Read one token more in both."""
        super().step(token_id)
        self._other.step(token_id)
        self.unprompted = self._other.logits
