"""Read the cells out of a document into rows, once per change, and tell whoever looks."""

import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import transaction

from apps.notebooks import crdt, document, history
from apps.notebooks.chain.cells import cells_of
from apps.notebooks.chain.graph import CellSpec
from apps.notebooks.chain.references import (
    CellKey,
    Part,
    Reference,
    WrittenReference,
    distinct_names,
    split,
)
from apps.notebooks.chain.staleness import stands_untouched
from apps.notebooks.models import Cell, CellOutput, Document, Edge
from apps.realtime import publish
from apps.realtime.events import Event


@dataclass(frozen=True, kw_only=True)
class ChainChanged(Event):
    """The cells of a notebook, or what they read elsewhere, are not what they were."""

    type: ClassVar[str] = "chain.changed"
    notebook: str


@dataclass(frozen=True, kw_only=True)
class Projected:
    """The cells of one notebook, in order, with the names that people see."""

    notebook: uuid.UUID
    cells: list[CellSpec]
    names: list[str]


def project(notebook_id: uuid.UUID) -> Projected:
    """Return the cells as the document has them now; the rows follow where they are behind."""
    head = Document.objects.get(pk=notebook_id)
    if head.chain_seq == head.last_seq:
        return _from_rows(notebook_id)
    stored = history.whole(head)
    specs = cells_of(document.decode(crdt.merge(stored.updates)), notebook_id)
    names = distinct_names([spec.name for spec in specs])
    rows = [
        _row(spec, name, place) for place, (spec, name) in enumerate(zip(specs, names, strict=True))
    ]
    with transaction.atomic():
        newer = Document.objects.filter(pk=notebook_id, chain_seq__lt=stored.seq)
        if newer.update(chain_seq=stored.seq) and _write(notebook_id, rows):
            _write_edges(notebook_id, specs)
            announce(notebook_id)
    return Projected(notebook=notebook_id, cells=_judged(specs), names=names)


def announce(notebook_id: uuid.UUID) -> None:
    """Tell the notebook's viewers, and those of notebooks that read it, to look again."""
    readers = Edge.objects.filter(source_notebook_id=notebook_id).exclude(notebook=notebook_id)
    for told in {notebook_id, *readers.values_list("notebook", flat=True)}:
        publish.on_commit(f"notebook.{told}", ChainChanged(notebook=str(notebook_id)))


def _write(notebook_id: uuid.UUID, rows: list[Cell]) -> bool:
    """Make the table hold exactly these rows; say whether anything was different."""
    known = {row.cell_id: row for row in Cell.objects.filter(notebook=notebook_id)}
    gone = known.keys() - {row.cell_id for row in rows}
    fresh, changed = [], []
    for row in rows:
        old = known.get(row.cell_id)
        if old is None:
            fresh.append(row)
        elif _content(old) != _content(row):
            row.pk = old.pk
            changed.append(row)
    if not (gone or fresh or changed):
        return False
    Cell.objects.filter(notebook=notebook_id, cell_id__in=gone).delete()
    Cell.objects.bulk_create(fresh)
    Cell.objects.bulk_update(changed, ["name", "kind", "position", "spec", "text"])
    return True


def _content(row: Cell) -> tuple[object, ...]:
    return (row.name, row.kind, row.position, row.spec, row.text)


def _write_edges(notebook_id: uuid.UUID, specs: list[CellSpec]) -> None:
    Edge.objects.filter(notebook=notebook_id).delete()
    reads = {
        (spec.key.cell, part.target)
        for spec in specs
        for part in spec.parts
        if isinstance(part, Reference) and part.target.notebook != notebook_id
    }
    Edge.objects.bulk_create(
        Edge(
            notebook_id=notebook_id,
            cell_id=cell,
            source_notebook_id=target.notebook,
            source_cell_id=target.cell,
        )
        for cell, target in reads
    )


def _row(spec: CellSpec, name: str, position: int) -> Cell:
    return Cell(
        notebook_id=spec.key.notebook,
        cell_id=spec.key.cell,
        name=name,
        kind=spec.kind,
        position=position,
        text=spec.text,
        spec={
            "wish": spec.name,
            "parts": [_part_to_json(part) for part in spec.parts],
            "params": spec.params,
            "output": spec.output_id,
        },
    )


def _from_rows(notebook_id: uuid.UUID) -> Projected:
    rows = list(Cell.objects.filter(notebook=notebook_id))
    specs = [
        CellSpec(
            key=CellKey(notebook=notebook_id, cell=row.cell_id),
            name=row.spec["wish"],
            kind="text" if row.kind == "text" else "prompt",
            parts=tuple(_part_from_json(part) for part in row.spec["parts"]),
            params=row.spec["params"],
            text=row.text,
            output_id=row.spec["output"],
        )
        for row in rows
    ]
    return Projected(notebook=notebook_id, cells=_judged(specs), names=[row.name for row in rows])


def _judged(specs: list[CellSpec]) -> list[CellSpec]:
    """Return the cells with what only the outputs' own texts tell: touched or not, first variants."""
    marked = {spec.output_id for spec in specs if spec.output_id}
    texts = {
        str(output): text
        for output, text in CellOutput.objects.filter(output_id__in=_uuids(marked)).values_list(
            "output_id", "text"
        )
    }
    firsts = _first_variants([spec for spec in specs if not spec.text.strip()])
    return [
        spec.judged(
            is_whole=stands_untouched(spec.text, texts.get(spec.output_id or "", "")),
            first_variant=firsts.get(spec.key, ""),
        )
        for spec in specs
    ]


def _first_variants(empty: list[CellSpec]) -> dict[CellKey, str]:
    """Return the first waiting variant of each cell that has no result yet."""
    if not empty:
        return {}
    notebook = empty[0].key.notebook
    waiting = CellOutput.objects.filter(
        notebook=notebook,
        cell_id__in=[spec.key.cell for spec in empty],
        status=CellOutput.Status.WAITING,
        variant=0,
    ).order_by("created_at")
    return {
        CellKey(notebook=notebook, cell=cell): text
        for cell, text in waiting.values_list("cell_id", "text")
    }


def _uuids(written: set[str]) -> list[uuid.UUID]:
    found = []
    for one in written:
        try:
            found.append(uuid.UUID(one))
        except ValueError:
            continue
    return found


def _part_to_json(part: Part) -> str | dict[str, str]:
    if isinstance(part, str):
        return part
    if isinstance(part, WrittenReference):
        return {"written": f"{{{{{part}}}}}"}
    return {"cell": str(part.target), "mode": part.mode}


def _part_from_json(data: Any) -> Part:  # JSON
    if isinstance(data, str):
        return data
    if "written" in data:
        return split(data["written"])[0]
    mode = "released" if data["mode"] == "released" else "live"
    return Reference(target=CellKey.parse(data["cell"]), mode=mode)  # type: ignore[arg-type]
