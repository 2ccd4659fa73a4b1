"""One stage on several engines: what one writes, another can read.

Requests go to their engines as early as each can be served by its own: a chain within one engine stays
together, a request that reads another engine's output is handed over when that is complete.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.graph import check_stage
from inferencecloud.engine.protocol import Engine
from inferencecloud.engine.requests import (
    Delta,
    Finish,
    FinishReason,
    Message,
    Request,
    Segment,
    Text,
)
from inferencecloud.engine.stage import Stage

logger = logging.getLogger(__name__)


def submit_mixed(requests: Sequence[Request], engine_of: Callable[[Request], Engine]) -> Stage:
    """Hand each request to its engine; return one stage for all. Returns at once.

    Raises:
        EngineError: The requests are no stage, or an engine refuses those that come first.
    """
    check_stage(requests)
    engines = {request.id: engine_of(request) for request in requests}
    if len({id(engine) for engine in engines.values()}) == 1:
        return engines[requests[0].id].submit(requests)
    return _Relay(requests, engines).begin()


class _Relay:
    """Carries deltas from the engines' stages to the one, and texts from engine to engine."""

    def __init__(self, requests: Sequence[Request], engines: dict[str, Engine]) -> None:
        self._engines = engines
        self._waiting = {request.id: request for request in requests}
        self._texts = {r.id: r.resume.text if r.resume else "" for r in requests}
        self._done: set[str] = set()  # those that succeeded
        self._inner: dict[str, Stage] = {}  # where each is being written
        self._state = threading.RLock()
        self._stage = Stage([request.id for request in requests], self._cancel)

    def begin(self) -> Stage:
        """Hand over what can begin; return the stage."""
        with self._state:
            for group in self._ready():
                self._hand_over(group)
        return self._stage

    def _ready(self) -> Iterable[list[Request]]:
        """Return the waiting requests that can go to their engines, by engine."""
        ready = dict(self._waiting)
        while True:
            early = [r.id for r in ready.values() if not self._can_go(r, ready)]
            if not early:
                break
            for request_id in early:
                del ready[request_id]
        groups: dict[int, list[Request]] = {}
        for request in ready.values():
            groups.setdefault(id(self._engines[request.id]), []).append(request)
        return groups.values()

    def _can_go(self, request: Request, beside: dict[str, Request]) -> bool:
        engine = self._engines[request.id]
        return all(
            source in self._done or (source in beside and self._engines[source] is engine)
            for source in request.sources
        )

    def _hand_over(self, group: list[Request]) -> None:
        """Submit requests to their engine; the lock is held."""
        stage = self._engines[group[0].id].submit([self._resolved(request) for request in group])
        for request in group:
            del self._waiting[request.id]
            self._inner[request.id] = stage
        threading.Thread(target=self._carry, args=[stage], name="engine-relay", daemon=True).start()

    def _resolved(self, request: Request) -> Request:
        """Return the request with the outputs that are complete as text."""
        messages = tuple(
            Message(message.role, tuple(self._segment(segment) for segment in message.segments))
            for message in request.messages
        )
        return replace(request, messages=messages)

    def _segment(self, segment: Segment) -> Segment:
        if isinstance(segment, Text) or segment.request_id not in self._done:
            return segment
        text = self._texts[segment.request_id]
        return Text(segment.apply(text) if segment.apply else text)

    def _carry(self, stage: Stage) -> None:
        for delta in stage:
            with self._state:
                self._texts[delta.request_id] += delta.text
                if delta.finish is not None and delta.finish.reason.succeeded:
                    self._done.add(delta.request_id)
                self._stage.put(delta)
                if delta.finish is not None:
                    self._go_on(delta.request_id, delta.finish.reason)

    def _go_on(self, request_id: str, reason: FinishReason) -> None:
        """Hand over what waited for the request, or end it; the lock is held."""
        if not reason.succeeded:
            readers = [r.id for r in self._waiting.values() if request_id in r.sources]
            for reader in readers:
                self._end(reader, Finish(reason=FinishReason.SOURCE_MISSING))
            return
        for group in self._ready():
            try:
                self._hand_over(group)
            except EngineError as problem:
                logger.info("a later part of a stage was refused: %s", problem)
                for request in group:
                    self._end(request.id, Finish(reason=FinishReason.FAILED, error=problem))

    def _end(self, request_id: str, finish: Finish) -> None:
        """End a request that was not handed over, and those that would read it; the lock is held."""
        if self._waiting.pop(request_id, None) is None:
            return
        self._stage.put(Delta(request_id=request_id, finish=finish))
        self._go_on(request_id, finish.reason)

    def _cancel(self, _stage: Stage, request_id: str) -> None:
        with self._state:
            inner = self._inner.get(request_id)
            if inner is None:
                self._end(request_id, Finish(reason=FinishReason.CANCELLED))
        if inner is not None:
            inner.cancel(request_id)
