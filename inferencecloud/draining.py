"""The end of a web process in two steps: first it says that it is not ready, then it takes leave.

A load balancer needs a moment to hear of it. Until then the process answers as ever.
"""

import asyncio
import signal
import threading
from types import FrameType

from apps.core.health import draining


def say_before_the_end(wait_s: float) -> None:
    """Have SIGTERM make this process not ready at once, and end it (as before) after wait_s.

    A second signal ends it without waiting. Call it on the loop that serves, once the server has set its
    own handler; elsewhere than on the main thread there are no signals, and nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    ending = signal.getsignal(signal.SIGTERM)
    if not callable(ending):
        return

    def drain(number: int, frame: FrameType | None) -> None:
        draining.set()
        signal.signal(signal.SIGTERM, ending)
        if wait_s > 0:
            loop.call_soon_threadsafe(loop.call_later, wait_s, ending, number, None)
        else:
            ending(number, frame)

    signal.signal(signal.SIGTERM, drain)
