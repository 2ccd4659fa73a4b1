"""Settle cells: when a text is final for now, keep what people made of the outputs in it.

A cell settles when somebody releases it, downloads its notebook, or leaves it alone for a day. Then
there is one record (apps/learning) for each output of which something stands in the cell, and for the
output that was adopted there last even if nothing of it is left: someone replaced it.

- Kept characters are counted in the whole notebook (chain/kept.py): what was moved to another cell is
  kept.
- Editors are those who changed the cell's result (writers.py) since the last adoption, which replaced
  all that stood there; and, for each output that stands in it, those who changed the result of the cell
  that the output was made for, since it was adopted there: pieces bring along what was written in them.
- Whose words the model read: of all who ever wrote in the instruction, and in the cells that it read.
"""

import logging
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.core.errors import DomainError
from apps.inference.models import Output
from apps.learning.models import EditRecord
from apps.learning.services import records
from apps.learning.services.records import Settled
from apps.notebooks import document, history, projection, writers
from apps.notebooks.chain import kept, marks
from apps.notebooks.chain.references import CellKey
from apps.notebooks.models import Cell, CellOutput, Document, Notebook

IDLE = timedelta(days=1)
UNREAD = timedelta(minutes=1)  # by then a worker should have read the cells
PER_PASS = 200  # cells
NEVER = -1  # before the first update

logger = logging.getLogger(__name__)


@transaction.atomic
def settle_cells(
    *, notebook: Notebook, cells: Collection[uuid.UUID], settle: str
) -> list[EditRecord]:
    """Return the records of the cells' texts as they stand; twice is the same as once."""
    standing = _Standing.of(notebook)
    chosen = Cell.objects.filter(notebook=notebook, cell_id__in=cells, kind="prompt")
    if settle == EditRecord.Settle.IDLE:  # still
        chosen = chosen.filter(changed_at__lte=timezone.now() - IDLE)
    rows = [row for row in chosen if row.cell_id in standing.results]
    made = [records.settle(settled=one) for one in _settled(standing, rows, settle)]
    for row in rows:
        row.settled_sha256 = marks.fingerprint(standing.results[row.cell_id])
    Cell.objects.bulk_update(rows, ["settled_sha256"])
    Cell.objects.filter(notebook=notebook, cell_id__in=cells, settle_due=settle).update(
        settle_due=""
    )
    return made


def settle_waiting(*, notebook: uuid.UUID | None = None, now: datetime | None = None) -> int:
    """Settle what is due in one notebook or, at most PER_PASS cells, in all; return how many records."""
    due = _due(now or timezone.now()).select_related("notebook__workspace")
    if notebook is not None:
        due = due.filter(notebook=notebook)
    cells = sorted(due[:PER_PASS], key=lambda cell: (cell.notebook_id, cell.settle_due))
    count = 0
    for (_notebook, event), some in groupby(cells, key=lambda c: (c.notebook_id, c.settle_due)):
        count += _settle_some(list(some), event or EditRecord.Settle.IDLE)
    return count


def count_waiting(now: datetime, limit: int) -> int:
    """Return how many cells are due to settle; counting ends at the limit."""
    return _due(now).order_by()[:limit].count()


def unread(now: datetime, limit: int = 50) -> list[uuid.UUID]:
    """Return notebooks whose cells are behind although a worker should have read them."""
    behind = Document.objects.filter(chain_seq__lt=F("last_seq"))
    old = behind.filter(notebook__edited_at__lt=now - UNREAD).order_by("notebook__edited_at")
    return list(old.values_list("pk", flat=True)[:limit])


def _due(now: datetime) -> QuerySet[Cell]:
    is_new = Q(settled_sha256__isnull=True) | ~Q(result_sha256=F("settled_sha256"))
    is_idle = Q(changed_at__lte=now - IDLE) & is_new
    cells = Cell.objects.filter(kind="prompt", notebook__trashed_at__isnull=True)
    return cells.filter(~Q(settle_due="") | is_idle).order_by("changed_at", "pk")


def _settle_some(cells: list[Cell], settle: str) -> int:
    notebook = cells[0].notebook
    try:
        made = settle_cells(
            notebook=notebook, cells=[cell.cell_id for cell in cells], settle=settle
        )
    except DomainError:  # a document that cannot be read must not stand in the way of others
        logger.exception("cells of %s could not be settled; tomorrow again", notebook.pk)
        failed = Cell.objects.filter(pk__in=[cell.pk for cell in cells])
        failed.update(settle_due="", changed_at=timezone.now())
        return 0
    return len(made)


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """A notebook's document as it was read, all of whose writers are noted."""

    notebook: Notebook
    seq: int
    state: bytes
    results: dict[uuid.UUID, document.Node]

    @classmethod
    def of(cls, notebook: Notebook) -> "_Standing":
        stored = history.whole(Document.objects.get(pk=notebook.pk))
        projection.project(notebook.pk)  # afterwards: whoever wrote what was read is noted
        (state,) = stored.updates
        places = marks.places_of(document.decode(state))
        results = {cell: node for (cell, part), node in places.items() if part == marks.RESULT}
        return cls(notebook=notebook, seq=stored.seq, state=state, results=results)


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """A cell that settles, and the outputs that see it."""

    row: Cell
    last: CellOutput | None  # adopted
    outputs: list[Output]


def _settled(standing: _Standing, rows: Iterable[Cell], settle: str) -> Iterable[Settled]:
    """Yield the cells' texts as each output in them sees it."""
    cells = [_cell(standing, row) for row in rows]
    texts = {str(output.pk): output.text for cell in cells for output in cell.outputs}
    counted = kept.count_kept(standing.state, texts)
    for cell in cells:
        editors = _editors(cell)
        for output in cell.outputs:
            yield Settled(
                workspace=standing.notebook.workspace,
                notebook_id=standing.notebook.pk,
                notebook_title=standing.notebook.title,
                cell_id=cell.row.cell_id,
                cell_name=cell.row.name,
                output_id=output.pk,
                settle=settle,
                final_text=document.plain_text(standing.results[cell.row.cell_id]),
                kept_chars=counted[str(output.pk)],
                output_chars=len(kept.characters_of(output.text)),
                document_seq=standing.seq,
                editors=editors,
                prompt_writers=_prompt_writers(output),
            )


def _cell(standing: _Standing, row: Cell) -> _Cell:
    last = _last_adopted(standing, row.cell_id)
    ids = _uuids(marks.texts_by_output(standing.results[row.cell_id]))
    ids |= {last.output_id} if last else set()
    return _Cell(row=row, last=last, outputs=_outputs(standing.notebook, ids))


def _last_adopted(standing: _Standing, cell: uuid.UUID) -> CellOutput | None:
    """Return the output that was adopted last into the text that was read."""
    adopted = CellOutput.objects.filter(
        notebook=standing.notebook, cell_id=cell, status=CellOutput.Status.ADOPTED
    ).exclude(adopted_seq__gt=standing.seq)
    return adopted.order_by("-decided_at").first()


def _outputs(notebook: Notebook, ids: Collection[uuid.UUID]) -> list[Output]:
    """Return the outputs; a mark may name what is none, another organization's, or erased."""
    outputs = Output.objects.filter(
        pk__in=ids, organization=notebook.organization_id, erased_at__isnull=True
    )
    return list(outputs.select_related("step_run").order_by("pk"))


def _editors(cell: _Cell) -> frozenset[uuid.UUID]:
    replaced_by = NEVER if cell.last is None else _came_in(cell.last)
    place = (cell.row.cell_id, marks.RESULT)
    found = writers.since(cell.row.notebook_id, {place: replaced_by})
    homes = CellOutput.objects.filter(output_id__in=[output.pk for output in cell.outputs])
    for home in homes:
        place = (home.cell_id, marks.RESULT)
        found |= writers.since(home.notebook_id, {place: _came_in(home)})
    return frozenset(found)


def _came_in(adopted: CellOutput) -> int:
    return NEVER if adopted.adopted_seq is None else adopted.adopted_seq


def _prompt_writers(output: Output) -> frozenset[uuid.UUID]:
    places: dict[uuid.UUID, dict[marks.Place, int]] = {}
    for written in [output.step_run.key, *(read["ref"] for read in output.inputs)]:
        try:
            key = CellKey.parse(written)
        except ValueError:
            continue
        here = places.setdefault(key.notebook, {})
        here[key.cell, marks.SOURCE] = NEVER
        if written != output.step_run.key:
            here[key.cell, marks.RESULT] = NEVER
    return frozenset(_all_since(places))


def _all_since(places: Mapping[uuid.UUID, dict[marks.Place, int]]) -> set[uuid.UUID]:
    return {user for notebook, some in places.items() for user in writers.since(notebook, some)}


def _uuids(written: Iterable[str]) -> set[uuid.UUID]:
    found = set()
    for one in written:
        try:
            found.add(uuid.UUID(one))
        except ValueError:  # an id that some page made up
            continue
    return found
