"""Carry the engine's words outwards: to viewers at once, to checkpoints often, to outputs at the end."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.inference import events, failures, prompts, transitions
from apps.inference.conf import tempo
from apps.inference.failures import Failure
from apps.inference.faults import faultpoint
from apps.inference.models import Output, StepStatus
from apps.inference.prompts import Writing
from apps.realtime import publish
from inferencecloud.engine import Delta, EngineError, Finish, FinishReason


def as_failure(problem: EngineError | None) -> Failure:
    """Return the engine's refusal as a reason that people read."""
    # By name: its class lies beside torch, which a process that only reads need not import.
    is_long = type(problem).__name__ == "PromptTooLong"
    code = failures.PROMPT_TOO_LONG if is_long else failures.ENGINE
    return Failure(code=code, data={"reason": str(problem or "")})


class Writer:
    """The open variants of one stage."""

    def __init__(
        self,
        *,
        owner: str,
        writings: Mapping[str, Writing],
        outputs: dict[str, dict[int, Output]],
    ) -> None:
        self._owner = owner
        self._open = dict(writings)
        self._steps = {one.step.key: one.step for one in writings.values()}
        self._outputs = outputs
        self._failed: dict[Any, Failure] = {}  # by step: told when its last variant has ended
        self._tempo = tempo()
        self._saved_at = time.monotonic()

    @property
    def open_steps(self) -> set[UUID]:
        """Return the ids of the steps that are still being written."""
        return {writing.step.pk for writing in self._open.values()}

    def pause_s(self) -> float:
        """Return how long one may wait for the engine before something else is due."""
        return self._tempo.flush_s

    def take(self, delta: Delta) -> bool:
        """Add words; False when the step is not ours any more."""
        writing = self._open[delta.request_id]
        writing.text += delta.text
        writing.token_ids += tuple(delta.token_ids)
        if time.monotonic() - writing.sent_at >= self._tempo.flush_s or delta.finish:
            self._send(writing)
        return delta.finish is None or self._end(writing, delta.finish)

    def rest(self, *, everything: bool = False) -> bool:
        """Send and save what has waited long enough; False when a step is not ours any more."""
        is_ours = self._note_beginnings()
        now = time.monotonic()
        for writing in self._open.values():
            if everything or now - writing.sent_at >= self._tempo.flush_s:
                self._send(writing)
        if everything or now - self._saved_at >= self._tempo.checkpoint_s:
            self._saved_at = now
            self._save()
        return is_ours

    def _note_beginnings(self) -> bool:
        """Note which steps have begun to write; words come first, the state can wait for them."""
        for writing in self._open.values():
            if writing.token_ids and writing.step.status == StepStatus.RUNNING:
                if not transitions.begin_streaming(step=writing.step, now=timezone.now()):
                    return False
                faultpoint("after_first_token")
        return True

    def _send(self, writing: Writing) -> None:
        text = writing.text[writing.published :]
        if not text:
            return
        step = writing.step
        delta = events.Delta(
            run=str(step.run_id),
            step=str(step.pk),
            key=step.key,
            variant=writing.variant,
            seq=events.units(writing.text[: writing.published]),
            text=text,
        )
        publish.send(step.topic, delta)
        writing.published, writing.sent_at = len(writing.text), time.monotonic()

    def _save(self) -> None:
        new = [one for one in self._open.values() if one.saved < len(one.text)]
        if not new:
            return
        faultpoint("before_checkpoint")
        transitions.save_checkpoints(owner=self._owner, rows=[one.checkpoint() for one in new])
        faultpoint("after_checkpoint")
        for writing in new:
            writing.saved = len(writing.text)

    def _end(self, writing: Writing, finish: Finish) -> bool:
        """Commit or end a variant; False when it is not ours to do so."""
        del self._open[writing.id]
        if finish.reason.succeeded:
            if not self._commit(writing, finish):
                return False
        elif finish.reason is FinishReason.CANCELLED:
            return False
        else:
            self._failed.setdefault(writing.step.pk, self._reason(writing, finish))
        failure = self._failed.get(writing.step.pk)
        if failure is None or writing.step.pk in self.open_steps:
            return True
        return transitions.fail(step=writing.step, failure=failure, now=timezone.now())

    def _commit(self, writing: Writing, finish: Finish) -> bool:
        output = prompts.output(writing, finish, self._outputs)
        faultpoint("before_commit")
        committed = transitions.commit(step=writing.step, output=output, now=timezone.now())
        if committed is None:
            return False
        self._outputs[writing.step.key][writing.variant] = committed
        faultpoint("after_commit")
        return True

    def _reason(self, writing: Writing, finish: Finish) -> Failure:
        if finish.reason is not FinishReason.SOURCE_MISSING:
            return as_failure(finish.error)
        missing = [key for key in writing.step.depends_on if 0 not in self._outputs[key]]
        source = self._steps.get(missing[0]) if missing else None
        is_elsewhere = source is not None and source.topic != writing.step.topic
        name = source.label or source.key if source else ""
        return failures.because_of(name, is_elsewhere=is_elsewhere)
