"""The rhythm of the work. Settings may change single figures (tests shorten the lease)."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, kw_only=True)
class Tempo:
    """How long a worker's word holds, and how often it speaks."""

    lease_s: float = 60.0  # without a heartbeat for so long, somebody else goes on
    heartbeat_s: float = 15.0
    checkpoint_s: float = 0.25  # a viewer who joins waits about so long for the text; 1 s at most
    flush_s: float = 0.05  # tokens of so long travel in one event
    cancel_poll_s: float = 0.2
    wake_again_s: float = 10.0  # a message to a worker may be lost; after so long it is sent again
    stages: int = 8  # of one process at once; its other threads tell, deliver and reconcile
    attempts: int = 3  # so often a worker may stop during one step


def tempo() -> Tempo:
    """Return the rhythm in force."""
    return Tempo(**getattr(settings, "INFERENCE_TEMPO", {}))


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many runs may go on at once; the others wait in line and see where they stand."""

    runs_per_person: int
    runs_per_organization: int


def limits() -> Limits:
    """Return the limits in force."""
    return Limits(
        runs_per_person=settings.INFERENCE_RUNS_PER_PERSON,
        runs_per_organization=settings.INFERENCE_RUNS_PER_ORGANIZATION,
    )
