"""Write many texts at once: every step computes one token for everybody who writes, and pieces of prompts.

A request whose prompt holds the output of another is read while that one is written, so a chain of steps
goes through the engine without a pause (`growing`). What was computed for one is found by the next who
begins alike (`blocks`). One thread computes; every other only leaves a message in the inbox.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Seq
from concurrent.futures import Future
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeVar

import torch

from inferencecloud.artifacts.manifest import verify_artifact
from inferencecloud.engine.config import BatchingConfig, open_lane
from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.graph import check_stage
from inferencecloud.engine.lane import Lane
from inferencecloud.engine.local import ModelKeyTaken, PromptTooLong
from inferencecloud.engine.metrics import EngineMetrics, measured
from inferencecloud.engine.protocol import AdapterInfo, ModelInfo
from inferencecloud.engine.requests import Delta, Finish, FinishReason, Request
from inferencecloud.engine.sampling import Choice
from inferencecloud.engine.sequence import Sequence
from inferencecloud.engine.serial import EngineClosed, GenerationFailed, ModelNotLoaded
from inferencecloud.engine.stage import Outbox, Stage
from inferencecloud.engine.watchdog import Watchdog

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class DeadlineExceeded(EngineError):
    """A request was not done in the time that it was given."""

    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"Wanted the text within {deadline_s:g} s; it was not complete by then.")


class BatchingEngine:
    """Serves artifacts on one thread, many requests in one batch."""

    def __init__(self, config: BatchingConfig | None = None) -> None:
        self.config = config or BatchingConfig()
        self._lanes: dict[str, Lane] = {}
        self._loading = threading.Lock()
        self._inbox: deque[Callable[[], None]] = deque()
        self._mail = threading.Condition()  # guards the inbox and the thread's life
        self._thread: threading.Thread | None = None
        self._closed = False
        self._numbers = itertools.count()
        self._deadlines: list[tuple[float, int, Sequence]] = []
        self._outbox = Outbox()
        self._watchdog = Watchdog(self.config.stuck_after_s)

    # What any thread may call.

    def load(self, folder: Path, *, key: str) -> ModelInfo:
        """Load the artifact under the key, verified and warmed up; the same again is free.

        A model that nobody has used for longest makes room where more than `models_kept` are loaded.

        Raises:
            ArtifactError: The artifact is not what its manifest says.
            ModelKeyTaken: Another model has this key.
        """
        with self._loading:
            artifact = verify_artifact(folder)
            present = self._lanes.get(key)
            if present is not None and present.info.digest == artifact.manifest.digest:
                return present.info
            if present is not None:
                raise ModelKeyTaken(key, present.info.name)
            lane = open_lane(folder, key=key, manifest=artifact.manifest, config=self.config)
            return self._call(lambda: self._take_in(lane))

    def unload(self, key: str) -> None:
        """Forget the model; requests for it fail."""
        with self._loading:
            if key in self._lanes:
                self._call(lambda: self._put_out(key))

    def models(self) -> list[ModelInfo]:
        """Return the loaded models."""
        return [lane.info for lane in list(self._lanes.values())]

    def load_adapter(self, folder: Path, *, model: str, key: str) -> AdapterInfo:
        """Load a LoRA adapter of a loaded model under the key; the same again is free.

        Raises:
            ModelNotLoaded: The model is not loaded.
            AdapterMismatch: It does not fit the model, or is not of the kind that is known.
            AdapterKeyTaken, AdaptersInUse: There is no room for it under this key, or for one more.
        """
        with self._loading:
            lane = self._lane(model)
            adapter = lane.read_adapter(folder, key=key)
            return self._call(lambda: lane.take_adapter(adapter))

    def unload_adapter(self, key: str, *, model: str) -> None:
        """Forget an adapter of a model; requests with it fail."""
        with self._loading:
            lane = self._lane(model)
            self._call(lambda: self._put_out_adapter(lane, key))

    def adapters(self, model: str) -> list[AdapterInfo]:
        """Return the loaded adapters of a model."""
        return self._lane(model).adapters.list()

    def count_tokens(self, key: str, text: str) -> int:
        """Return how many tokens the text is to the model."""
        return len(self._lane(key).spelling.encoder.encode_text(text))

    def estimate_s(self, key: str, *, prompt_tokens: int, new_tokens: int) -> float:
        """Return about how many seconds such a request takes when it is alone."""
        info = self._lane(key).info
        return prompt_tokens / info.prefill_tokens_per_s + new_tokens / info.decode_tokens_per_s

    def submit(self, requests: Seq[Request]) -> Stage:
        """Hand over requests that may read one another's output; returns at once.

        Raises:
            RequestIdTaken: Two requests have one id.
            SourceUnknown: A request reads the output of one that is not among them.
            SourcesInCircle: Requests wait for one another.
            ModelNotLoaded: A request names a model that is not loaded.
            EngineClosed: The engine has ended.
        """
        check_stage(requests)
        lanes = {request.id: self._lane(request.model) for request in requests}
        stage = Stage([request.id for request in requests], self._cancel_soon)
        by_id = {request.id: request for request in requests}
        order = TopologicalSorter({r.id: sorted(r.sources) for r in requests}).static_order()
        made: dict[str, Sequence] = {}
        refused: dict[str, EngineError] = {}
        for request_id in order:
            try:
                sequence = lanes[request_id].sequence(by_id[request_id], stage, next(self._numbers))
                sequence.join(made)
                made[request_id] = sequence
            except EngineError as problem:
                refused[request_id] = problem
        self._post(lambda: self._accept(stage, made, refused))
        return stage

    def metrics(self) -> EngineMetrics:
        """Return the state and the counts, summed over the models."""
        return measured(list(self._lanes.values()), self._watchdog)

    def close(self) -> None:
        """Cancel what is under way or waits, and end the thread."""
        with self._mail:
            self._closed = True
            self._mail.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._watchdog.close()

    def _lane(self, key: str) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            raise ModelNotLoaded(key, list(self._lanes))
        return lane

    def _cancel_soon(self, stage: Stage, request_id: str) -> None:
        with suppress(EngineClosed):  # then everything is cancelled
            self._post(lambda: self._cancel(stage, request_id))

    def _post(self, work: Callable[[], None]) -> None:
        """Leave something for the engine's thread."""
        with self._mail:
            if self._closed:
                raise EngineClosed
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
                self._thread.start()
            self._inbox.append(work)
            self._mail.notify()

    def _call(self, work: Callable[[], Result]) -> Result:
        """Have something done by the engine's thread, and return its result."""
        future: Future[Result] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
                future.set_exception(error)

        self._post(run)
        return future.result()

    # What the engine's thread alone does.

    def _work(self) -> None:
        torch.set_num_threads(self.config.resolved_threads())
        while True:
            with self._mail:
                while not self._inbox and not self._closed and not self._is_busy():
                    self._mail.wait()
                inbox = list(self._inbox)
                self._inbox.clear()
                if self._closed:
                    break
            for work in inbox:
                work()
            self._expire()
            self._outbox.wake()
            for lane in [lane for lane in self._lanes.values() if lane.live]:
                with self._watchdog.step(lane.info.name):
                    self._step(lane)
                self._outbox.wake()
        for work in inbox:  # who waits for an answer gets one
            work()
        for key in list(self._lanes):
            for sequence in list(self._lanes[key].live):
                self._end(sequence, FinishReason.CANCELLED)
        self._outbox.wake()

    def _is_busy(self) -> bool:
        return any(lane.live for lane in self._lanes.values())

    def _take_in(self, lane: Lane) -> ModelInfo:
        lane.warm_up()
        self._lanes = {**self._lanes, lane.info.key: lane}
        idle = [other for other in self._lanes.values() if not other.live and other is not lane]
        for other in sorted(idle, key=lambda each: each.used_at):
            if len(self._lanes) <= self.config.models_kept:
                break
            self._put_out(other.info.key)
        return lane.info

    def _put_out(self, key: str) -> None:
        others = [other for other in self._lanes if other != key]
        for sequence in sorted(self._lanes[key].live, key=lambda each: each.number):
            self._end(sequence, FinishReason.FAILED, ModelNotLoaded(key, others))
        self._lanes = {other: self._lanes[other] for other in others}

    def _put_out_adapter(self, lane: Lane, key: str) -> None:
        problem, users = lane.drop_adapter(key)
        for sequence in users:
            self._end(sequence, FinishReason.FAILED, problem)

    def _accept(
        self, stage: Stage, made: dict[str, Sequence], refused: dict[str, EngineError]
    ) -> None:
        """Let the sequences of a stage wait; what cannot be begun ends at once."""
        for sequence in made.values():
            lane = self._lanes.get(sequence.request.model)
            if lane is None:  # it was unloaded meanwhile
                sequence.reason = FinishReason.FAILED
                refused[sequence.request.id] = ModelNotLoaded(
                    sequence.request.model, list(self._lanes)
                )
                continue
            lane.live.add(sequence)
            if sequence.request.deadline_s is not None:
                until = sequence.times.submitted_at + sequence.request.deadline_s
                heapq.heappush(self._deadlines, (until, sequence.number, sequence))
        for request_id, problem in refused.items():
            finish = Finish(reason=FinishReason.FAILED, error=problem)
            self._outbox.put(stage, Delta(request_id=request_id, finish=finish))
            for sequence in made.values():
                if request_id in sequence.sources:
                    self._end(sequence, FinishReason.SOURCE_MISSING)
        for sequence in made.values():
            if sequence.reason is None and not sequence.is_open:
                self._let_wait(sequence)

    def _let_wait(self, sequence: Sequence) -> None:
        """Put a sequence whose prompt is complete in the line; end it when there is nothing to write."""
        lane = self._lanes[sequence.request.model]
        context, prompt = lane.info.context_tokens, sequence.prompt_tokens
        room = lane.scheduler.room_for_answer(sequence, most=context - prompt)
        if room < 1:
            problem = PromptTooLong(prompt, min(context, prompt))
            self._end(sequence, FinishReason.FAILED, problem)
            return
        sequence.answer_limit = min(sequence.request.sampling.max_new_tokens, room)
        if sequence.stream.reason is not None:
            self._end(sequence, sequence.stream.reason)
        elif sequence.answer_tokens >= sequence.answer_limit:
            self._say(sequence, sequence.stream.finish())
            self._end(sequence, sequence.stream.reason or FinishReason.LENGTH)
        else:
            lane.scheduler.add(sequence)

    def _step(self, lane: Lane) -> None:
        """Compute one step and deliver what it brought."""

        def fail(sequence: Sequence, problem: EngineError) -> None:
            lane.tally.failures += 1
            self._end(sequence, FinishReason.FAILED, problem)

        def take(sequence: Sequence, choice: Choice) -> None:
            if sequence.reason is not None:  # the token before was its last
                return
            lane.tally.generated_tokens += 1
            try:
                self._take(sequence, choice, lane)
            except Exception as error:  # whatever breaks in one request, the others go on
                logger.exception("Request %s failed while it was told", sequence.request.id)
                fail(sequence, GenerationFailed(error))

        lane.step(fail, take)

    def _take(self, sequence: Sequence, choice: Choice, lane: Lane) -> None:
        """Add a token to an answer; end it at the model's end, a stop string or a limit."""
        if choice.token_id in lane.spelling.end_ids:
            self._say(sequence, sequence.stream.finish())
            self._end(sequence, sequence.stream.reason or FinishReason.STOP)
            return
        if sequence.times.first_token_at is None:
            sequence.times.first_token_at = time.monotonic()
        sequence.token_ids.append(choice.token_id)
        self._say(sequence, sequence.stream.push(choice.token_id), choice)
        if sequence.stream.reason is not None:
            self._end(sequence, sequence.stream.reason)
        elif sequence.answer_tokens >= sequence.answer_limit:
            self._say(sequence, sequence.stream.finish())
            self._end(sequence, sequence.stream.reason or FinishReason.LENGTH)
        else:
            self._tell_readers(sequence)

    def _say(self, sequence: Sequence, text: str, choice: Choice | None = None) -> None:
        sequence.said += text
        if text or choice is not None:
            delta = Delta(
                request_id=sequence.request.id,
                text=text,
                token_ids=() if choice is None else (choice.token_id,),
                logprobs=() if choice is None else sequence.sampler.report(choice),
            )
            self._outbox.put(sequence.stage, delta)

    def _tell_readers(self, sequence: Sequence) -> None:
        """Let those that read the sequence take up what it has said."""
        for reader in sequence.readers:
            if reader.reason is not None:
                continue
            source = reader.sources[sequence.request.id]
            source.text, source.is_complete = sequence.said, sequence.reason is not None
            was_open = reader.is_open
            try:
                reader.read_on()
            except Exception as error:  # what a segment does to a text may break: its request alone
                logger.exception("Request %s could not read its source", reader.request.id)
                self._end(reader, FinishReason.FAILED, GenerationFailed(error))
                continue
            if not reader.is_open and was_open:
                self._let_wait(reader)
            else:
                self._lanes[reader.request.model].scheduler.add(reader)

    def _end(
        self, sequence: Sequence, reason: FinishReason, problem: EngineError | None = None
    ) -> None:
        """Close one sequence; those that read it go on, or end with it."""
        if sequence.reason is not None:
            return
        sequence.reason = reason
        lane = self._lanes[sequence.request.model]
        lane.forget(sequence)
        counts = (sequence.prompt_tokens, sequence.answer_tokens)
        finish = sequence.times.finish(reason, problem, counts)
        self._outbox.put(sequence.stage, Delta(request_id=sequence.request.id, finish=finish))
        if reason.succeeded:
            self._tell_readers(sequence)
            return
        for reader in sequence.readers:
            self._end(reader, FinishReason.SOURCE_MISSING)

    def _cancel(self, stage: Stage, request_id: str) -> None:
        for lane in self._lanes.values():
            for sequence in list(lane.live):
                if sequence.stage is stage and sequence.request.id == request_id:
                    self._end(sequence, FinishReason.CANCELLED)

    def _expire(self) -> None:
        """End what is late."""
        while self._deadlines and self._deadlines[0][0] <= time.monotonic():
            _, _, sequence = heapq.heappop(self._deadlines)
            problem = DeadlineExceeded(sequence.request.deadline_s or 0.0)
            self._end(sequence, FinishReason.FAILED, problem)
