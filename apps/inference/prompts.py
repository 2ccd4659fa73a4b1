"""Turn a claimed step into a request of the engine, and an answer into an immutable output."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.catalog.models import Variant
from apps.inference.models import Checkpoint, Output, StepRun
from apps.inference.specs import (
    PromptMessage,
    Segment,
    Source,
    StepOutput,
    Text,
    apply_filters,
    input_hash,
    messages_from_json,
    most_tokens,
    params_from_json,
    segment_to_json,
)
from inferencecloud import engine

Outputs = Mapping[str, Mapping[int, Output]]  # committed, by key and variant

# Ranks in the engine: whom a person waits for goes before what the product began by itself.
AWAITED, UNATTENDED = 0, 10


@dataclass(kw_only=True)
class Writing:
    """One variant of a step while it is being written by this worker."""

    step: StepRun
    variant: int
    text: str = ""
    token_ids: tuple[int, ...] = ()
    published: int = 0  # characters that viewers have been sent
    saved: int = 0  # characters in the checkpoint
    sent_at: float = 0.0

    @property
    def id(self) -> str:
        """Return the request's id: another attempt is another request."""
        return request_id(self.step, self.variant)

    def checkpoint(self) -> Checkpoint:
        """Return the row that keeps what is written so far."""
        return Checkpoint(
            step=self.step,
            variant=self.variant,
            attempt=self.step.attempt,
            text=self.text,
            token_ids=list(self.token_ids),
        )


def request_id(step: StepRun, variant: int) -> str:
    """Return the engine's name for a variant of this attempt."""
    return f"{step.pk}.{variant}.{step.attempt}"


def writings(steps: list[StepRun], outputs: Outputs) -> dict[str, Writing]:
    """Return what is still to be written, by request id; each goes on from its checkpoint."""
    resumed = [step for step in steps if step.attempt > 1]
    rows = Checkpoint.objects.filter(step__in=resumed) if resumed else []
    saved = {(row.step_id, row.variant): row for row in rows}
    found = {}
    for step in steps:
        for variant in range(step.variants):
            if variant in outputs[step.key]:
                continue
            writing = Writing(step=step, variant=variant)
            row = saved.get((step.pk, variant))
            if row is not None:
                writing.text, writing.token_ids = row.text, tuple(row.token_ids)
                writing.published = writing.saved = len(row.text)
            found[writing.id] = writing
    return found


@dataclass(frozen=True, kw_only=True)
class Around:
    """What the steps of a stage can read: one another, and what is committed."""

    steps: Mapping[str, StepRun]  # of the stage, by key
    outputs: Outputs


def request(writing: Writing, model: str, around: Around) -> engine.Request:
    """Return the engine's request: sources that are done as text, those of this stage as its outputs."""
    step = writing.step
    params = params_from_json(step.params)
    return engine.Request(
        id=writing.id,
        model=model,
        messages=tuple(
            engine.Message(
                engine.Role(one.role),
                tuple(_segment(segment, around) for segment in one.segments),
            )
            for one in messages_from_json(step.messages)
        ),
        sampling=engine.Sampling(
            temperature=params.temperature,
            top_p=params.top_p,
            repetition_penalty=params.repetition_penalty,
            no_repeat_ngram_size=params.no_repeat_ngram_size,
            seed=step.seed + writing.variant,
            max_new_tokens=most_tokens(params.max_new_tokens),
            aim_tokens=params.max_new_tokens,
            max_chars=params.max_chars,
            stop=params.stop,
            required=params.required,
            banned=() if params.banned and _is_written_elsewhere(step) else params.banned,
            length=params.limit,
        ),
        owner=str(step.run.organization_id),
        priority=UNATTENDED if step.run.actor_id is None else AWAITED,
        resume=_resume(writing),
    )


def _is_written_elsewhere(step: StepRun) -> bool:
    """Say whether another server writes the step: it is told in words what not to say, and may say it."""
    return step.deployment is not None and step.deployment.variant.root == Variant.Root.REMOTE


def _resume(writing: Writing) -> engine.Resume | None:
    if not writing.token_ids:
        return None
    return engine.Resume(token_ids=writing.token_ids, text=writing.text)


def _segment(segment: Segment, around: Around) -> engine.Text | engine.OutputOf:
    if isinstance(segment, Text):
        return engine.Text(segment.text)
    if isinstance(segment, Source):
        return engine.Text(apply_filters(segment.apply, segment.text))
    done = around.outputs[segment.step].get(0)
    if done is not None:
        return engine.Text(apply_filters(segment.apply, done.text))

    def filtered(text: str, names: tuple[str, ...] = segment.apply) -> str:
        return apply_filters(names, text)

    return engine.OutputOf(
        request_id(around.steps[segment.step], 0), apply=filtered if segment.apply else None
    )


def output(writing: Writing, finish: engine.Finish, outputs: Outputs) -> Output:
    """Return the output, not saved yet, with everything that led to it.

    Args:
        writing: the finished variant.
        finish: what the engine says about it.
        outputs: those of all steps that it reads, which have been committed before.
    """
    step = writing.step
    messages = messages_from_json(step.messages)
    version = step.deployment.variant.version_id if step.deployment else ""
    read = {key: outputs[key][0].text for key in step.depends_on}
    return Output(
        organization_id=step.run.organization_id,
        step_run=step,
        variant=writing.variant,
        text=writing.text,
        sha256=hashlib.sha256(writing.text.encode()).hexdigest(),
        finish_reason=finish.reason.value,
        model_version_id=version,
        model_variant=step.deployment.variant if step.deployment else None,
        prompt=_resolved(messages, outputs),
        inputs=_inputs(messages, outputs),
        input_hash=input_hash(
            messages=messages,
            params=params_from_json(step.params),
            model_version=str(version),
            outputs=read,
        ),
        params=step.params,
        seed=step.seed + writing.variant,
        prompt_tokens=finish.prompt_tokens,
        new_tokens=finish.new_tokens,
        waited_s=finish.waited_s,
        first_token_s=finish.first_token_s,
        total_s=finish.total_s,
    )


def _resolved(messages: tuple[PromptMessage, ...], outputs: Outputs) -> list[dict[str, Any]]:
    """Return the messages with the text that every segment stood for."""
    return [
        {
            "role": one.role,
            "segments": [_as_read(segment, outputs) for segment in one.segments],
        }
        for one in messages
    ]


def _as_read(segment: Segment, outputs: Outputs) -> dict[str, Any]:
    if isinstance(segment, StepOutput):
        source = outputs[segment.step][0]
        segment = Source(
            ref=segment.step, text=source.text, output=str(source.pk), apply=segment.apply
        )
    return segment_to_json(segment)


def _inputs(messages: tuple[PromptMessage, ...], outputs: Outputs) -> list[dict[str, Any]]:
    """Return what was read, each source once: its reference and the output it was, if one."""
    found: dict[str, str | None] = {}
    for segment in (segment for one in messages for segment in one.segments):
        if isinstance(segment, Source):
            found[segment.ref] = segment.output
        elif isinstance(segment, StepOutput):
            found[segment.step] = str(outputs[segment.step][0].pk)
    return [{"ref": ref, "output": known} for ref, known in found.items()]
