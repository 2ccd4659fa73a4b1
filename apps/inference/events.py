"""What everyone who looks at a subject is told while its runs go on.

Delivery is at most once, so a listener keeps what it has and asks when something is missing:

    on inference.delta, with `have` = the text shown for (step, variant), in UTF-16 units as JavaScript
    counts them: seq <= have.length -> have = have.slice(0, seq) + text
                 seq >  have.length -> keep the delta, fetch the snapshot (selectors.live_state), apply
                                       what it says, then the kept deltas; still a gap: again in 300 ms

A snapshot's text that is shorter than `have` is older: keep what is there. The same rule makes repeated
deltas of a resumed step harmless. A snapshot lags behind the deltas by at
most the interval between checkpoints (conf.Tempo.checkpoint_s).
"""

from dataclasses import dataclass
from typing import ClassVar

from apps.inference.models import Run, StepRun
from apps.realtime import publish
from apps.realtime.events import Event


@dataclass(frozen=True, kw_only=True)
class Delta(Event):
    """Words that a step has just written."""

    type: ClassVar[str] = "inference.delta"
    run: str
    step: str
    key: str
    variant: int
    seq: int  # UTF-16 units written before these words
    text: str


@dataclass(frozen=True, kw_only=True)
class StepChanged(Event):
    """A step stands somewhere else now."""

    type: ClassVar[str] = "inference.step"
    run: str
    step: str
    key: str
    status: str
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class RunChanged(Event):
    """A run stands somewhere else now."""

    type: ClassVar[str] = "inference.run"
    run: str
    status: str


def units(text: str) -> int:
    """Return the length of the text as JavaScript counts it."""
    return len(text.encode("utf-16-le")) // 2


def step_changed(run: Run, step: StepRun) -> None:
    """Tell where the step stands, once the transaction is committed."""
    event = StepChanged(
        run=str(run.pk), step=str(step.pk), key=step.key, status=str(step.status), error=step.error
    )
    publish.on_commit(step.topic, event)


def run_changed(run: Run) -> None:
    """Tell everyone who sees any of it where the run stands, once the transaction is committed."""
    event = RunChanged(run=str(run.pk), status=str(run.status))
    written = run.steps.order_by().values_list("topic", flat=True).distinct()
    for topic in sorted({run.subject.topic, *written}):
        publish.on_commit(topic, event)
