"""Messages between the threads of one process, for Celery: whoever waits is woken, nobody polls.

kombu's own `memory://` looks for messages at intervals. Half an interval would be in every time to the
first word, and looking often keeps an idle machine awake.
"""

import time
from queue import Empty
from threading import Condition
from typing import Any

from kombu.transport import memory
from kombu.utils.scheduling import FairCycle

LOOK_ANYWAY_S = 1.0  # for what rings no bell, such as a limit that was raised


class _Bell:
    """Wakes everybody who waits; a ring between looking and waiting is not lost."""

    def __init__(self) -> None:
        self._changed = Condition()
        self.rings = 0

    def ring(self) -> None:
        """Wake everybody."""
        with self._changed:
            self.rings += 1
            self._changed.notify_all()

    def wait(self, rings: int, within_s: float) -> None:
        """Return once it has rung more often than so many times, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.rings != rings, within_s)


_bell = _Bell()


class Channel(memory.Channel):
    """kombu's channel in memory, which tells of everything that lets a waiting reader go on."""

    def _put(self, *args: Any, **options: Any) -> None:
        super()._put(*args, **options)  # type: ignore[no-untyped-call]
        _bell.ring()

    def _put_fanout(self, *args: Any, **options: Any) -> None:
        super()._put_fanout(*args, **options)  # type: ignore[no-untyped-call]
        _bell.ring()

    def basic_ack(self, *args: Any, **options: Any) -> None:
        """Acknowledge; a reader who had as many as it may take can take another."""
        super().basic_ack(*args, **options)  # type: ignore[no-untyped-call]
        _bell.ring()

    def basic_reject(self, *args: Any, **options: Any) -> None:
        """Refuse, or give back."""
        super().basic_reject(*args, **options)  # type: ignore[no-untyped-call]
        _bell.ring()


class Transport(memory.Transport):
    """kombu's transport in memory, waiting for messages instead of polling."""

    Channel = Channel

    cycle: FairCycle  # over the channels, from the beginning on

    def drain_events(self, connection: Any, timeout: float | None = None, **_more: Any) -> None:
        """Deliver the next message; TimeoutError when none comes in time."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            rings = _bell.rings
            try:
                self.cycle.get(self._deliver, timeout=timeout)  # type: ignore[no-untyped-call]
            except Empty:
                rest_s = LOOK_ANYWAY_S if until is None else until - time.monotonic()
                if rest_s <= 0:
                    raise TimeoutError from None
                _bell.wait(rings, min(rest_s, LOOK_ANYWAY_S))
            else:
                return
