"""How a model's output becomes document text: by itself where nobody wrote, by a person elsewhere.

Adoption is one update that the server makes under the document's lock, once per output. Text that a
person has touched is never replaced by itself: the output waits beside it.
"""

import uuid
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError, NotVisible
from apps.inference.models import OutboxRow, Output
from apps.inference.outbox import Message
from apps.learning.services import feedback
from apps.notebooks import ai, crdt, document, history, projection
from apps.notebooks.chain.cells import (
    NoSuchCell,
    Result,
    Results,
    cells_of,
    replace_result,
    results_of,
)
from apps.notebooks.chain.graph import CellSpec
from apps.notebooks.chain.staleness import stands_untouched
from apps.notebooks.models import CellOutput, Document, DocUpdate, Notebook
from apps.notebooks.selectors import Access
from apps.notebooks.services import updates
from apps.organizations import audit

Status = CellOutput.Status


class CellIsGone(DomainError):
    """The cell that the text was for is not in the notebook any more."""


class PeopleWroteHere(DomainError):
    """Going back would throw away what people have written since."""


class NothingToGoBackTo(DomainError):
    """No result came before the one that stands."""


class NotebookIsClosed(DomainError):
    """The notebook lies in the trash and takes no text."""


def consume(messages: list[Message]) -> None:
    """Take outputs that were committed: note each for its cell, and adopt it where nobody wrote."""
    by_notebook: dict[uuid.UUID, list[Message]] = {}
    for one in messages:
        if one.kind == OutboxRow.Kind.OUTPUT_COMMITTED and one.subject.kind == "notebook":
            notebook = uuid.UUID(one.payload["context"]["notebook"])
            by_notebook.setdefault(notebook, []).append(one)
    for notebook, some in by_notebook.items():
        _take_in(notebook, some)


def _take_in(notebook: uuid.UUID, messages: list[Message]) -> None:
    if not Notebook.objects.filter(pk=notebook).exists():
        return
    ids = [one.payload["output"] for one in messages]
    outputs = Output.objects.filter(erased_at=None).in_bulk(ids)
    with transaction.atomic():
        Document.objects.select_for_update().get(pk=notebook)
        fresh: list[CellOutput] = []
        for one in messages:
            output = outputs.get(uuid.UUID(one.payload["output"]))
            if output is None:
                continue
            row, is_new = _note(output, notebook, uuid.UUID(one.payload["context"]["cell"]))
            if is_new and int(one.payload["variants"]) == 1:
                fresh.append(row)
        while fresh:  # the document is read once for many cells, but once for each text of one cell
            first = {row.cell_id: row for row in reversed(fresh)}
            _adopt_where_untouched(notebook, list(first.values()))
            fresh = [row for row in fresh if row is not first[row.cell_id]]
        projection.announce(notebook)


def _note(output: Output, notebook: uuid.UUID, cell: uuid.UUID) -> tuple[CellOutput, bool]:
    """Return the row of the output, made once; older ones that still waited give way to it."""
    row, is_new = CellOutput.objects.get_or_create(
        output_id=output.pk,
        defaults={
            "notebook_id": notebook,
            "cell_id": cell,
            "step_id": output.step_run_id,
            "variant": output.variant,
            "text": output.text,
            "input_hash": output.input_hash,
        },
    )
    if is_new:
        older = CellOutput.objects.filter(notebook=notebook, cell_id=cell, status=Status.WAITING)
        older.exclude(step_id=output.step_run_id).update(status=Status.SUPERSEDED)
    return row, is_new


def _adopt_where_untouched(notebook: uuid.UUID, rows: list[CellOutput]) -> None:
    """Put the outputs into their cells, of which each comes once, unless people wrote there."""
    place = Notebook.objects.select_related("organization", "workspace").get(pk=notebook)
    if place.trashed_at is not None or not ai.is_on_in(place):
        return
    state, content = _read(notebook)
    cells = {cell.key.cell: cell for cell in cells_of(content, notebook)}
    _put([row for row in rows if _is_untouched(cells.get(row.cell_id))], state, content, by=None)


def _is_untouched(cell: CellSpec | None) -> bool:
    """Say whether it is a prompt cell in whose result nobody wrote."""
    if cell is None or cell.kind != "prompt":
        return False
    return not cell.text.strip() or _stands_whole(cell.output_id, cell.text)


def _stands_whole(output_id: str | None, text: str) -> bool:
    """Say whether the text is all of one output's and only that."""
    if output_id is None:
        return False
    try:
        known = CellOutput.objects.filter(output_id=output_id).first()
    except ValueError:  # an id that some page made up
        return False
    return known is not None and stands_untouched(text, known.text)


@transaction.atomic
def adopt(*, access: Access, by: User, output: uuid.UUID) -> CellOutput:
    """Put the output in place of the cell's result, because a person says so."""
    Document.objects.select_for_update().get(pk=access.notebook.pk)
    row = output_of(access.notebook, output)
    state, content = _read(row.notebook_id)
    _put([row], state, content, by=by)
    waiting = CellOutput.objects.filter(
        notebook=access.notebook, cell_id=row.cell_id, status=Status.WAITING
    )
    _note_choice(row, by, among=waiting)
    waiting.update(status=Status.SUPERSEDED)
    leave_trace("output.adopted", row, by)
    projection.announce(access.notebook.pk)
    return row


def _note_choice(row: CellOutput, by: User, *, among: QuerySet[CellOutput]) -> None:
    """Keep that the person preferred the output to its other variants, where they waited beside it."""
    variants = among.filter(step_id=row.step_id).exclude(pk=row.pk)
    feedback.note_adoption(
        output=Output.objects.get(pk=row.output_id),
        by=by,
        over=list(variants.values_list("output_id", flat=True)),
    )


@transaction.atomic
def back(*, access: Access, by: User, cell: uuid.UUID) -> CellOutput:
    """Put back, in one step, what stood before the last adoption.

    Raises:
        NothingToGoBackTo: Nothing was adopted, or it was taken back already.
        PeopleWroteHere: The adopted text is not as it was.
    """
    Document.objects.select_for_update().get(pk=access.notebook.pk)
    row = last_adopted(access.notebook, cell)
    if row is None or row.before is None:  # never was one, or it was erased
        raise NothingToGoBackTo(_("There is no result before this one"))
    state, content = _read(access.notebook.pk)
    standing = {one.key.cell: one for one in cells_of(content, access.notebook.pk)}.get(cell)
    if standing is None:
        raise CellIsGone(_("The cell is not in the notebook any more"))
    if standing.output_id != str(row.output_id) or not stands_untouched(standing.text, row.text):
        raise PeopleWroteHere(_("People have written here since; their text stays"))
    _append(access.notebook.pk, [replace_result(state, cell, list(row.before))])
    row.status, row.decided_by, row.decided_at = Status.TAKEN_BACK, by, timezone.now()
    row.save(update_fields=["status", "decided_by", "decided_at"])
    leave_trace("output.taken_back", row, by)
    projection.announce(access.notebook.pk)
    return row


def last_adopted(notebook: Notebook, cell: uuid.UUID) -> CellOutput | None:
    """Return the output that was adopted last in the cell and not taken back."""
    adopted = CellOutput.objects.filter(notebook=notebook, cell_id=cell, status=Status.ADOPTED)
    return adopted.order_by("-decided_at").first()


def output_of(notebook: Notebook, output: uuid.UUID) -> CellOutput:
    """Return the notebook's row of an output; NotVisible when it has none."""
    row = CellOutput.objects.filter(notebook=notebook, output_id=output).first()
    if row is None:
        raise NotVisible
    return row


def leave_trace(verb: str, row: CellOutput, by: User) -> None:
    """Note in the audit log what a person decided about an output."""
    audit.record(
        verb=verb,
        actor=by,
        organization=row.notebook.organization,
        target=row.notebook,
        data={"cell": str(row.cell_id), "output": str(row.output_id)},
    )


def _read(notebook: uuid.UUID) -> tuple[bytes, dict[str, Any]]:
    stored = history.whole(Document.objects.get(pk=notebook))
    state = crdt.merge(stored.updates)
    return state, document.decode(state)


def _put(rows: list[CellOutput], state: bytes, content: dict[str, Any], *, by: User | None) -> None:
    """Put the outputs into their cells, of which each comes once, in one append for all of them."""
    if not rows:
        return
    standing, results = results_of(content), Results(state)
    now = timezone.now()
    payloads = []
    for row in rows:
        result = Result(text=row.text, output_id=str(row.output_id), variant=row.variant)
        try:
            payloads.append(results.replace(row.cell_id, result.content(), of=result))
        except NoSuchCell as gone:
            raise CellIsGone(_("The cell is not in the notebook any more")) from gone
        row.before = standing[row.cell_id]
    for row, number in zip(rows, _append(rows[0].notebook_id, payloads), strict=True):
        row.adopted_seq = number
        row.status, row.decided_by, row.decided_at = Status.ADOPTED, by, now
    columns = ["before", "status", "decided_by", "decided_at", "adopted_seq"]
    CellOutput.objects.bulk_update(rows, columns)


def _append(notebook: uuid.UUID, payloads: list[bytes]) -> list[int | None]:
    """Append the updates and return their numbers."""
    batch = updates.append(
        notebook_id=notebook,
        incoming=[updates.Incoming(user_id=None, payload=payload) for payload in payloads],
        origin=DocUpdate.Origin.MODEL,
    )
    if any(outcome.refusal is not None for outcome in batch.outcomes):
        raise NotebookIsClosed(_("The notebook is in the trash: the text waits until it is back"))
    return [outcome.seq for outcome in batch.outcomes]
