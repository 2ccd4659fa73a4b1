"""A stage: requests that were handed over together, as their sender sees them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.requests import Delta


class RequestUnknown(EngineError):
    """There is no such request in the stage."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"There is no request {request_id} in this stage.")


class Stage:
    """Delivers deltas, each once, to whoever asks; any thread may poll or cancel."""

    def __init__(self, request_ids: Iterable[str], cancel: Callable[[Stage, str], None]) -> None:
        self._open = set(request_ids)  # without a finish delta yet
        self._ids = tuple(request_ids)
        self._cancel = cancel
        self._deltas: deque[Delta] = deque()
        self._changed = threading.Condition()

    @property
    def request_ids(self) -> tuple[str, ...]:
        """Return the requests' ids in the order in which they came."""
        return self._ids

    @property
    def finished(self) -> bool:
        """Tell whether every request has ended and every delta was taken."""
        with self._changed:
            return not self._open and not self._deltas

    def poll(self, timeout_s: float = 0.0) -> list[Delta]:
        """Return the deltas that wait, or after so many seconds without any, an empty list."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not self._deltas and self._open:
                rest = until - time.monotonic()
                if rest <= 0 or not self._changed.wait(rest):
                    break
            taken = list(self._deltas)
            self._deltas.clear()
        return taken

    def __iter__(self) -> Iterator[Delta]:
        while not self.finished:
            yield from self.poll(timeout_s=60.0)

    def cancel(self, request_id: str | None = None) -> None:
        """Stop one request, or all, at the next token; one that has ended stays as it is."""
        if request_id is not None and request_id not in self._ids:
            raise RequestUnknown(request_id)
        for each in self._ids if request_id is None else (request_id,):
            self._cancel(self, each)

    def put(self, delta: Delta) -> None:
        """Add a delta, and wake who waits; called by the engine alone."""
        self.add(delta)
        self.wake()

    def add(self, delta: Delta) -> None:
        """Add a delta without waking anybody: `wake` must follow. Nothing follows a request's finish."""
        with self._changed:
            if delta.request_id not in self._open:
                return
            if delta.finish is not None:
                self._open.discard(delta.request_id)
            self._deltas.append(delta)

    def wake(self) -> None:
        """Wake who waits for deltas."""
        with self._changed:
            self._changed.notify_all()


class Outbox:
    """Deltas of many stages; those who wait are woken once for all that a step brings."""

    def __init__(self) -> None:
        self._unheard: set[Stage] = set()

    def put(self, stage: Stage, delta: Delta) -> None:
        """Add a delta; `wake` must follow."""
        stage.add(delta)
        self._unheard.add(stage)

    def wake(self) -> None:
        """Wake who waits for what was put."""
        for stage in self._unheard:
            stage.wake()
        self._unheard.clear()
