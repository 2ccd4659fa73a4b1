"""One run, step by step. What a step was asked, what it read and wrote: only for who may open its notebook.

A step is gated by the notebook that it was written for, and each source within its prompt once more by the
notebook that it came from. Everybody else sees timings, tokens, model, state and the kind of the error.
"""

import uuid
from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.console.figures import NOTHING, seconds
from apps.console.run_list import NOTEBOOK, Row, kind_of_error, rows_of, visible
from apps.core.errors import NotVisible
from apps.inference.models import Output, Run, StepRun
from apps.inference.specs import Source, StepOutput, Text, apply_filters, messages_from_json
from apps.notebooks.models import Notebook
from apps.organizations.models import Organization


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a prompt: given words, or the text of a source."""

    text: str
    is_source: bool = False
    is_hidden: bool = False  # it came from a notebook that the reader may not open


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of the prompt."""

    role: str
    pieces: list[Piece]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step, with its content where the reader may see that."""

    step: StepRun
    name: str
    is_open: bool  # the reader may open its notebook
    prompt: list[Message]
    outputs: list[Output]  # with their texts; of a closed step the page shows only the figures
    error: str

    @property
    def waited(self) -> str:
        """Return how long it waited for its worker."""
        return self._between("queued_at", "started_at")

    @property
    def first_token(self) -> str:
        """Return how long its first word took from its start."""
        return self._between("started_at", "first_token_at")

    @property
    def total(self) -> str:
        """Return how long it took from its start."""
        return self._between("started_at", "finished_at")

    @property
    def worker(self) -> str:
        """Return the machine and process that hold it now."""
        return self.step.lease_owner.rpartition(":")[0]

    def _between(self, begin: str, end: str) -> str:
        since, until = getattr(self.step, begin), getattr(self.step, end)
        return seconds(max(0.0, (until - since).total_seconds())) if since and until else NOTHING


@dataclass(frozen=True, kw_only=True)
class Detail:
    """A run and its steps."""

    row: Row
    steps: list[Step]


def detail_of(reader: User, organization: Organization, pk: uuid.UUID) -> Detail:
    """Return the run; NotVisible unless it is one of the organization's."""
    runs = Run.objects.filter(organization=organization).select_related("actor", "division")
    run = runs.filter(pk=pk).first()
    if run is None:
        raise NotVisible
    steps = list(run.steps.select_related("deployment", "model_version__family"))
    outputs: dict[object, list[Output]] = {}
    for output in Output.objects.filter(step_run__in=steps).order_by("variant"):
        outputs.setdefault(output.step_run_id, []).append(output)
    notebooks = visible(reader, organization, _topics(steps))
    [row] = rows_of(reader, organization, [run])
    return Detail(row=row, steps=[_step(one, outputs.get(one.pk, []), notebooks) for one in steps])


def _topics(steps: list[StepRun]) -> set[str]:
    """Return the topics of the steps, and of every notebook that a prompt quotes."""
    refs = {
        segment["ref"]
        for step in steps
        for message in step.messages
        for segment in message["segments"]
        if segment["kind"] == "source"
    }
    return {step.topic for step in steps} | {_topic_of(ref) for ref in refs}


def _topic_of(key: str) -> str:
    """Return the topic of the notebook in a cell's key (`notebook:cell`)."""
    return f"{NOTEBOOK}.{key.partition(':')[0]}"


def _step(step: StepRun, outputs: list[Output], notebooks: dict[str, Notebook]) -> Step:
    is_open = step.topic in notebooks
    return Step(
        step=step,
        name=(step.label if is_open else "")
        or _("Cell %(number)s") % {"number": step.position + 1},
        is_open=is_open,
        prompt=_prompt(step, outputs, notebooks) if is_open else [],
        outputs=outputs,
        # The reason may quote a prompt, a cell's name, a path.
        error=step.error if is_open else kind_of_error(step.error_code),
    )


def _prompt(step: StepRun, outputs: list[Output], notebooks: dict[str, Notebook]) -> list[Message]:
    """Return what the model was shown: as the output keeps it, or as it waits to be filled."""
    stored = next((one.prompt for one in outputs if one.prompt), step.messages)
    return [
        Message(role=one.role, pieces=[_piece(part, notebooks) for part in one.segments])
        for one in messages_from_json(stored)
    ]


def _piece(part: Text | Source | StepOutput, notebooks: dict[str, Notebook]) -> Piece:
    if isinstance(part, Text):
        return Piece(text=part.text)
    if isinstance(part, StepOutput):
        return Piece(text=_("(the text of a cell before it)"), is_source=True)
    if _topic_of(part.ref) not in notebooks:
        return Piece(text="", is_source=True, is_hidden=True)
    return Piece(text=apply_filters(part.apply, part.text), is_source=True)
