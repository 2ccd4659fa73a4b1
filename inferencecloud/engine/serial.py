"""Serve requests one after the other: the bookkeeping that every such engine shares.

A request is ready when all requests whose output it reads have succeeded. Ready requests wait in one line, so
stages take turns; a child class writes the text. A failing request fails alone.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.graph import check_stage
from inferencecloud.engine.requests import (
    Delta,
    Finish,
    FinishReason,
    OutputOf,
    Request,
    TokenLogprob,
)
from inferencecloud.engine.stage import Stage

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class EngineClosed(EngineError):
    """The engine has ended."""

    def __init__(self) -> None:
        super().__init__("The engine was closed; it takes no more work.")


class ModelNotLoaded(EngineError):
    """A request names a model that is not loaded."""

    def __init__(self, key: str, loaded: Sequence[str]) -> None:
        super().__init__(f"The model {key} is not loaded; loaded: {', '.join(loaded) or 'none'}.")


class AdapterNotLoaded(EngineError):
    """A request names an adapter that is not loaded for its model."""

    def __init__(self, key: str, loaded: Sequence[str]) -> None:
        super().__init__(f"The adapter {key} is not loaded; loaded: {', '.join(loaded) or 'none'}.")


class GenerationFailed(EngineError):
    """The model broke while it wrote."""

    def __init__(self, cause: object) -> None:
        super().__init__(f"The model stopped with an error while it wrote: {cause}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What one step of a generation brought; with `reason` set it is the last."""

    text: str = ""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_tokens: int = 0  # told once, in the first chunk
    reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One message with its text complete."""

    role: str
    text: str


@dataclass(slots=True, eq=False)
class _Job:
    """A request on its way."""

    request: Request
    stage: Stage
    peers: dict[str, _Job]
    ready_at: float = 0.0
    text: str = ""
    reason: FinishReason | None = None
    readers: list[_Job] = field(default_factory=list)  # the jobs that read this one's output
    missing: int = 0  # how many of its sources have not succeeded yet
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def is_ready(self) -> bool:
        """Tell whether everything it reads is there."""
        return self.missing == 0

    def turns(self) -> list[Turn]:
        """Return the messages, the outputs of other requests put in."""
        turns = []
        for message in self.request.messages:
            parts = []
            for segment in message.segments:
                if isinstance(segment, OutputOf):
                    text = self.peers[segment.request_id].text
                    parts.append(segment.apply(text) if segment.apply else text)
                else:
                    parts.append(segment.text)
            turns.append(Turn(message.role.value, "".join(parts)))
        return turns


class SerialEngine(ABC):
    """One line of work, served by one thread (or a few, where a child class is made for that)."""

    def __init__(self, *, workers: int = 1) -> None:
        self._workers = workers
        self._line: deque[_Job | Callable[[], None]] = deque()
        self._state = threading.Condition()  # guards the line, the jobs' states and the threads
        self._threads: list[threading.Thread] = []
        self._live: set[_Job] = set()
        self._closed = False

    @abstractmethod
    def _generate(self, request: Request, turns: Sequence[Turn]) -> Iterator[Chunk]:
        """Write the text, chunk by chunk; an empty chunk is a chance to be cancelled."""

    @abstractmethod
    def _require_model(self, key: str) -> None:
        """Raise ModelNotLoaded when there is no such model."""

    def _begin_thread(self) -> None:  # noqa: B027 - most engines have nothing to prepare
        """Prepare the calling thread for work."""

    def submit(self, requests: Sequence[Request]) -> Stage:
        """Hand over requests that may read one another's output; returns at once.

        Raises:
            RequestIdTaken: Two requests have one id.
            SourceUnknown: A request reads the output of one that is not among them.
            SourcesInCircle: Requests wait for one another.
            ModelNotLoaded: A request names a model that is not loaded.
            AdapterNotLoaded: A request names an adapter; such an engine has none.
            EngineClosed: The engine has ended.
        """
        check_stage(requests)
        for request in requests:
            self._require_model(request.model)
            if request.adapter is not None:
                raise AdapterNotLoaded(request.adapter, [])
        stage = Stage([request.id for request in requests], self._cancel)
        jobs: dict[str, _Job] = {}
        for request in requests:
            jobs[request.id] = _Job(request, stage, jobs, missing=len(request.sources))
        for job in jobs.values():
            for source in job.request.sources:
                jobs[source].readers.append(job)
        with self._state:
            self._ensure_threads()
            self._live.update(jobs.values())
            for job in jobs.values():
                if not job.request.sources:
                    self._enqueue(job)
        return stage

    def close(self) -> None:
        """Cancel what is under way or waits, and end the threads."""
        with self._state:
            self._closed = True
            for job in list(self._live):
                job.cancelled.set()
            for job in [job for job in self._line if isinstance(job, _Job)]:
                self._line.remove(job)
                self._end(job, FinishReason.CANCELLED)
            self._state.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _call(self, work: Callable[[], Result]) -> Result:
        """Run something on a working thread, before what waits, and return its result."""
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                future.set_exception(error)

        with self._state:
            self._ensure_threads()
            self._line.appendleft(run)
            self._state.notify()
        return future.result()

    def _ensure_threads(self) -> None:
        if self._closed:
            raise EngineClosed
        while len(self._threads) < self._workers:
            name = f"engine-{len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        self._begin_thread()
        while True:
            with self._state:
                while not self._line and not self._closed:
                    self._state.wait()
                if not self._line:
                    return
                item = self._line.popleft()
            if isinstance(item, _Job):
                self._serve(item)
            else:
                item()

    def _serve(self, job: _Job) -> None:
        """Write one request's text, telling its stage of every chunk."""
        progress = _Progress(started_at=time.monotonic(), ready_at=job.ready_at)
        error: EngineError | None = None
        try:
            reason = self._write(job, progress)
        except EngineError as failure:
            reason, error = FinishReason.FAILED, failure
        except Exception as failure:  # the request fails alone, whatever broke inside the model
            logger.exception("Request %s failed inside the model", job.request.id)
            reason, error = FinishReason.FAILED, GenerationFailed(failure)
        with self._state:
            self._end(job, reason, progress.finish(reason, error))

    def _write(self, job: _Job, progress: _Progress) -> FinishReason:
        if job.cancelled.is_set():
            return FinishReason.CANCELLED
        self._require_model(job.request.model)
        resume = job.request.resume
        if resume is not None:
            job.text = resume.text
            progress.new_tokens = len(resume.token_ids)
        with closing(_as_generator(self._generate(job.request, job.turns()))) as chunks:
            for chunk in chunks:
                progress.count(chunk)
                job.text += chunk.text
                if chunk.text or chunk.token_ids:
                    job.stage.put(
                        Delta(
                            request_id=job.request.id,
                            text=chunk.text,
                            token_ids=chunk.token_ids,
                            logprobs=chunk.logprobs,
                        )
                    )
                if chunk.reason is not None:
                    return chunk.reason
                if job.cancelled.is_set():
                    return FinishReason.CANCELLED
        raise GenerationFailed("it gave no reason for its end")

    def _cancel(self, stage: Stage, request_id: str) -> None:
        with self._state:
            job = next(
                (j for j in self._live if j.stage is stage and j.request.id == request_id), None
            )
            if job is None:
                return
            job.cancelled.set()
            waiting = job in self._line
            if waiting:
                self._line.remove(job)
            if waiting or not job.is_ready:
                self._end(job, FinishReason.CANCELLED)

    def _enqueue(self, job: _Job) -> None:
        job.ready_at = time.monotonic()
        self._line.append(job)
        self._state.notify()

    def _end(self, job: _Job, reason: FinishReason, finish: Finish | None = None) -> None:
        """Close one job and open, or close, those that read it; the lock is held."""
        ending = [(job, reason, finish)]
        while ending:
            job, reason, finish = ending.pop()
            if job.reason is not None:
                continue
            job.reason = reason
            self._live.discard(job)
            job.stage.put(Delta(request_id=job.request.id, finish=finish or Finish(reason=reason)))
            for reader in job.readers:
                if not reason.succeeded:
                    ending.append((reader, FinishReason.SOURCE_MISSING, None))
                    continue
                reader.missing -= 1
                if reader.reason is None and reader.is_ready:
                    self._enqueue(reader)


@dataclass(slots=True, kw_only=True)
class _Progress:
    """The times and counts of one request while it is served."""

    started_at: float
    ready_at: float
    first_token_at: float | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0

    def count(self, chunk: Chunk) -> None:
        self.prompt_tokens += chunk.prompt_tokens
        self.new_tokens += len(chunk.token_ids)
        if chunk.token_ids and self.first_token_at is None:
            self.first_token_at = time.monotonic()

    def finish(self, reason: FinishReason, error: EngineError | None) -> Finish:
        return Finish(
            reason=reason,
            error=error,
            prompt_tokens=self.prompt_tokens,
            new_tokens=self.new_tokens,
            waited_s=self.started_at - self.ready_at,
            first_token_s=None
            if self.first_token_at is None
            else self.first_token_at - self.ready_at,
            total_s=time.monotonic() - self.ready_at,
        )


def _as_generator(chunks: Iterator[Chunk]) -> Generator[Chunk, None, None]:
    """Return the chunks as something that can be closed."""
    yield from chunks
