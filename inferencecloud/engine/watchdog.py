"""See when a step does not end: a watchdog on a thread of its own, which only looks and tells."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class Watchdog:
    """Knows how long the current step has taken; reports one that takes too long, with its stack, once."""

    def __init__(self, stuck_after_s: float) -> None:
        self._stuck_after_s = stuck_after_s
        self._began_at: float | None = None
        self._what = ""
        self._worker = 0
        self._reported = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.last_s = 0.0

    @property
    def is_stuck(self) -> bool:
        """Tell whether a step takes longer than allowed right now."""
        began = self._began_at
        return began is not None and time.monotonic() - began > self._stuck_after_s

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Watch over the block."""
        self._what, self._worker, self._reported = what, threading.get_ident(), False
        began = self._began_at = time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            self._began_at = None
            self.last_s = time.monotonic() - began

    def close(self) -> None:
        """Look no more."""
        self._ended.set()

    def _look(self) -> None:
        while not self._ended.wait(min(1.0, self._stuck_after_s / 2)):
            if self.is_stuck and not self._reported:
                self._reported = True
                frame = sys._current_frames().get(self._worker)  # noqa: SLF001 - the way to another's stack
                stack = "".join(traceback.format_stack(frame)) if frame else ""
                logger.error(
                    "A step of %s has taken more than %g s:\n%s",
                    self._what,
                    self._stuck_after_s,
                    stack,
                )
