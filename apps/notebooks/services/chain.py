"""Update what is out of date, stop it, and decide what becomes of what came back."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.catalog import selectors as catalog
from apps.core.errors import DomainError, NotVisible
from apps.inference import services as inference
from apps.inference.models import Output, Run, StepRun
from apps.inference.specs import StepSpec, Subject
from apps.learning.models import EditRecord
from apps.learning.services import feedback
from apps.notebooks import ai, outside, projection, settling
from apps.notebooks.chain.graph import CellSpec, Graph, Outside, compile_graph
from apps.notebooks.chain.prompts import Standing, hash_of, step_of
from apps.notebooks.chain.references import CellKey, Reference
from apps.notebooks.chain.staleness import Plan, plan_cells, plan_update, texts_read
from apps.notebooks.models import Cell, CellOutput, Document, Notebook, Release
from apps.notebooks.selectors import Access, access_notebook
from apps.notebooks.services import adoption
from apps.organizations import audit
from apps.organizations.policy import Level


class NothingOutOfDate(DomainError):
    """Update was pressed, and every result is current."""


class CellCannotRun(DomainError):
    """A cell was to run that is no prompt, or that reads something it cannot."""


class NothingWritten(DomainError):
    """An empty text was to be released."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The cells of a notebook as one person may run them."""

    notebook: Notebook
    graph: Graph
    outside: Outside
    made_from: Mapping[CellKey, str]
    model_version: str
    voice: str

    @property
    def own(self) -> list[CellKey]:
        """Return the cells of this notebook, in document order."""
        return [key for key in self.graph.cells if key.notebook == self.notebook.pk]

    def out_of_date(self) -> Plan:
        """Return what Update would run, here and above."""
        among = self.graph.ancestry(self.own)
        return plan_update(self.graph, hash_of=self.hash_of, made_from=self.made_from, among=among)

    def hash_of(self, key: CellKey) -> str:
        """Return the hash of the cell's inputs as they stand."""
        return hash_of(self.step(key, frozenset()), self.model_version)

    def step(self, key: CellKey, follows: frozenset[CellKey]) -> StepSpec:
        """Return the step that writes the cell; sources in `follows` are written by the same run."""
        cell = self.graph.cells[key]
        standing = Standing(
            texts=texts_read(self.graph, key, self.outside),
            outputs={
                one: held.output_id for one, held in self.graph.cells.items() if held.output_id
            },
            steps=follows,
        )
        return step_of(cell, self._parts(key), standing=standing, voice=self.voice)

    def _parts(self, key: CellKey) -> tuple[str | Reference, ...]:
        """Return the instruction with every written reference resolved (the cell is runnable)."""
        reads = iter(self.graph.reads[key])
        return tuple(
            part if isinstance(part, str) else next(reads) for part in self.graph.cells[key].parts
        )


def chain_for(user: User, notebook: Notebook) -> Chain:
    """Return the notebook's chain with the rights of the person, projected first."""
    gathered = outside.gather(user, notebook)
    graph = compile_graph(gathered.cells, gathered.names, gathered.outside)
    name = notebook.organization.name
    return Chain(
        notebook=notebook,
        graph=graph,
        outside=gathered.outside,
        made_from=_made_from(graph),
        model_version=catalog.model_version_for(notebook.organization),
        voice=f"You are the writer of {name}. Use the facts of the brief and invent none.",
    )


def _made_from(graph: Graph) -> dict[CellKey, str]:
    """Return the input hash of the newest output of every cell that has one, and read no older one."""
    notebooks = {key.notebook for key in graph.cells}
    of_cell = CellOutput.objects.filter(
        notebook=OuterRef("notebook"), cell_id=OuterRef("cell_id"), variant=0
    )
    newest = of_cell.order_by("-created_at").values("input_hash")[:1]
    cells = Cell.objects.filter(notebook__in=notebooks).annotate(made_from=Subquery(newest))
    return {
        CellKey(notebook=notebook, cell=cell): hashed
        for notebook, cell, hashed in cells.values_list("notebook", "cell_id", "made_from")
        if hashed is not None
    }


@transaction.atomic
def start_update(
    *, access: Access, by: User, cells: list[uuid.UUID] | None, idempotency_key: str
) -> Run:
    """Run what is out of date, or exactly the given cells; the same key twice is the same run.

    Raises:
        AiIsOff: Somebody switched it off.
        NotebookIsClosed: It lies in the trash.
        CellCannotRun: One of the given cells reads something that it cannot, or is no prompt.
        NothingOutOfDate: There is nothing to do.
    """
    ai.require(by, access.notebook)
    _refuse_trash(access.notebook)
    subject = _subject(access.notebook)
    known = Run.objects.of(subject).filter(idempotency_key=idempotency_key).first()
    if known is not None:
        return known
    chain = chain_for(by, access.notebook)
    plan = chain.out_of_date() if cells is None else _chosen(chain, cells)
    busy = _busy(plan)
    steps = [key for key in plan.steps if str(key) not in busy]
    if not steps:
        going_on = Run.objects.going_on().shown_to(subject).order_by("created_at").last()
        if going_on is not None:
            return going_on
        raise NothingOutOfDate(_("Everything is up to date"))
    follows = plan.follows & frozenset(steps)
    if cells is not None:
        current = [key for key in steps if chain.made_from.get(key) == plan.hashes[key]]
        _note_regeneration(current, by)
    return inference.start_run(
        organization=access.notebook.organization,
        actor=by,
        subject=subject,
        steps=[chain.step(key, follows) for key in steps],
        start=inference.Start(
            idempotency_key=idempotency_key,
            trigger="update" if cells is None else "cell",
            division=access.notebook.workspace.division,
        ),
    )


def _note_regeneration(current: list[CellKey], by: User) -> None:
    """Keep that the person wants other texts than the cells have, although none is out of date."""
    for key in current:
        outputs = CellOutput.objects.filter(notebook=key.notebook, cell_id=key.cell)
        last = outputs.latest("created_at")  # there is one: it was made from the same inputs
        kept = outputs.filter(
            step_id=last.step_id,
            status__in=[CellOutput.Status.WAITING, CellOutput.Status.ADOPTED],
        )
        feedback.note_regeneration(outputs=list(kept.values_list("output_id", flat=True)), by=by)


def _busy(plan: Plan) -> set[str]:
    """Return the cells of the plan that a run writes already, wherever it was started."""
    keys = [str(key) for key in plan.steps]
    going_on = Run.objects.going_on()
    return set(StepRun.objects.filter(key__in=keys, run__in=going_on).values_list("key", flat=True))


def _subject(notebook: Notebook) -> Subject:
    return Subject(kind="notebook", id=str(notebook.pk))


def _chosen(chain: Chain, cells: list[uuid.UUID]) -> Plan:
    wanted = {CellKey(notebook=chain.notebook.pk, cell=cell) for cell in cells}
    plan = plan_cells(chain.graph, hash_of=chain.hash_of, cells=wanted)
    if refused := wanted - set(plan.steps):
        names = sorted(chain.graph.names.get(key, "?") for key in refused)
        message = _("“%(cell)s” cannot be written: it has no instruction, or reads what it cannot")
        raise CellCannotRun(message % {"cell": ", ".join(names)})
    return plan


def stop(*, access: Access, by: User) -> int:
    """Stop every run that writes in the notebook, also from elsewhere; return how many there were."""
    going_on = list(Run.objects.going_on().shown_to(_subject(access.notebook)))
    for run in going_on:
        inference.cancel_run(run=run, by=by)
    return len(going_on)


@transaction.atomic
def release(*, access: Access, by: User, cell: uuid.UUID) -> Release:
    """Offer the cell's standing text to other divisions as its next version.

    Raises:
        NotebookIsClosed: The notebook lies in the trash.
        NotVisible: There is no such cell.
        NothingWritten: Its text is empty.
    """
    _refuse_trash(access.notebook)
    # Until the record is kept nobody writes: what is recorded is what was released.
    Document.objects.select_for_update().get(pk=access.notebook.pk)
    spec, name = _standing(access.notebook, cell)
    if not spec.text.strip():
        raise NothingWritten(_("“%(cell)s” is empty: there is nothing to release") % {"cell": name})
    earlier = Release.objects.filter(notebook=access.notebook, cell_id=cell)
    number = (earlier.aggregate(last=Max("number"))["last"] or 0) + 1
    made = Release.objects.create(
        notebook=access.notebook,
        cell_id=cell,
        name=name,
        number=number,
        text=spec.text,
        sha256=hashlib.sha256(spec.text.encode()).hexdigest(),
        released_by=by,
    )
    audit.record(
        verb="cell.released",
        actor=by,
        organization=access.notebook.organization,
        target=access.notebook,
        data={"cell": name, "number": number, "sha256": made.sha256},
    )
    settling.settle_cells(notebook=access.notebook, cells=[cell], settle=EditRecord.Settle.RELEASED)
    projection.announce(access.notebook.pk)
    return made


def _refuse_trash(notebook: Notebook) -> None:
    if notebook.trashed_at is not None:
        message = _("“%(title)s” is in the trash. Restore it first.")
        raise adoption.NotebookIsClosed(message % {"title": notebook})


def _standing(notebook: Notebook, cell: uuid.UUID) -> tuple[CellSpec, str]:
    """Return the cell as it stands, with the name that people see; NotVisible without it."""
    projected = projection.project(notebook.pk)
    for spec, name in zip(projected.cells, projected.names, strict=True):
        if spec.key.cell == cell:
            return spec, name
    raise NotVisible


@transaction.atomic
def dismiss(*, access: Access, by: User, output: uuid.UUID) -> CellOutput:
    """Put a waiting output away; the text stays as it is."""
    row = adoption.output_of(access.notebook, output)
    CellOutput.objects.filter(pk=row.pk, status=CellOutput.Status.WAITING).update(
        status=CellOutput.Status.DISMISSED, decided_by=by, decided_at=timezone.now()
    )
    adoption.leave_trace("output.dismissed", row, by)
    feedback.note_dismissal(output=Output.objects.get(pk=row.output_id), by=by)
    projection.announce(access.notebook.pk)
    row.refresh_from_db()
    return row


def may_go_on(run: Run) -> bool:
    """Say whether whoever began the run may still write in every notebook that it writes."""
    if run.actor is None or not run.actor.is_active:
        return False
    topics = {run.subject.topic, *run.steps.order_by().values_list("topic", flat=True).distinct()}
    for topic in topics:
        try:
            access = access_notebook(run.actor, uuid.UUID(Subject.of_topic(topic).id))
        except NotVisible:
            return False
        if not may_run(access, run.actor):
            return False
    return True


def may_run(access: Access, user: User) -> bool:
    """Say whether the person sees Update at all."""
    allowed = access.level >= Level.RUN and access.notebook.trashed_at is None
    return allowed and ai.is_on(user, access.notebook)
