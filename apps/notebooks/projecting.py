"""Ask for the cells to be read anew once people pause: 300 ms after the last edit, 3 s at most.

One thread per process keeps the times; the reading itself is a worker's. A lost call harms nothing:
whoever starts a run or opens the chain reads what is behind first.
"""

import logging
import threading
import time
import uuid

from kombu.exceptions import OperationalError

from apps.notebooks import tasks

PAUSE_S = 0.3
AT_MOST_S = 3.0

logger = logging.getLogger(__name__)


class Debounce:
    """Calls for each notebook once nothing has happened to it for a while."""

    def __init__(self, *, pause_s: float = PAUSE_S, at_most_s: float = AT_MOST_S) -> None:
        self._pause_s = pause_s
        self._at_most_s = at_most_s
        self._changed = threading.Condition()
        self._due: dict[uuid.UUID, tuple[float, float]] = {}  # notebook -> (due, latest), monotonic
        self._thread: threading.Thread | None = None

    def touch(self, notebook_id: uuid.UUID) -> None:
        """Note an edit; returns at once."""
        now = time.monotonic()
        with self._changed:
            _due, latest = self._due.get(notebook_id, (0.0, now + self._at_most_s))
            self._due[notebook_id] = (min(now + self._pause_s, latest), latest)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="projecting", daemon=True)
                self._thread.start()
            elif len(self._due) == 1:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            for notebook_id in self._wait():
                self.call(notebook_id)

    def _wait(self) -> list[uuid.UUID]:
        """Return the notebooks whose time has come, after waiting for the first."""
        with self._changed:
            while not self._due:
                self._changed.wait()
            first = min(due for due, _latest in self._due.values())
            self._changed.wait(timeout=max(0.0, first - time.monotonic()))
            now = time.monotonic()
            ready = [one for one, (due, _latest) in self._due.items() if due <= now]
            for one in ready:
                del self._due[one]
            return ready

    def call(self, notebook_id: uuid.UUID) -> None:
        """Send a worker to read the notebook's cells."""
        try:
            tasks.project.delay(notebook_id=str(notebook_id))
        except (OperationalError, OSError):
            logger.warning("no worker could be asked to read %s", notebook_id, exc_info=True)


debounce = Debounce()
