"""Places where the fault tests let a process die, as if the power had gone.

Nothing happens unless the settings name a point, and only the fault tests' own settings do.
"""

import os
import signal

from django.conf import settings

POINTS = (
    "before_claim",
    "after_claim",
    "after_load",
    "after_submit",
    "after_first_token",
    "before_checkpoint",
    "after_checkpoint",
    "before_commit",
    "inside_commit",
    "after_commit",
    "before_delivery",
    "after_delivery",
)


def faultpoint(name: str) -> None:
    """Kill this process with -9 when the settings ask for it at this very point."""
    fatal = getattr(settings, "INFERENCE_FAULTPOINT", None)
    if fatal is not None and fatal.strikes(name):
        os.kill(os.getpid(), signal.SIGKILL)
