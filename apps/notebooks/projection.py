"""Read the cells out of a document into rows, once per change, and tell whoever looks."""

import uuid
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import transaction
from django.utils import timezone

from apps.notebooks import crdt, document, history, writers
from apps.notebooks.chain import marks
from apps.notebooks.chain.cells import CELL_TYPES, cells_of
from apps.notebooks.chain.graph import CellSpec
from apps.notebooks.chain.marks import Place
from apps.notebooks.chain.references import (
    CellKey,
    Part,
    Reference,
    WrittenReference,
    distinct_names,
    split,
)
from apps.notebooks.chain.staleness import stands_untouched
from apps.notebooks.models import Cell, CellOutput, Document, DocUpdate, Edge
from apps.realtime import publish
from apps.realtime.events import Event

ATTEMPTS = 3
WRITTEN = [
    "name",
    "kind",
    "position",
    "spec",
    "text",
    "result_sha256",
    "source_sha256",
    "changed_at",
]


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
    """Return the cells as the document has them now; the rows follow where they are behind.

    So does who wrote in them (writers.py): every update lies between two readings.
    """
    for _ in range(ATTEMPTS):
        head = Document.objects.get(pk=notebook_id)
        if head.chain_seq == head.last_seq:
            return _from_rows(notebook_id)
        if _is_plain(head):
            Document.objects.filter(pk=head.pk, chain_seq=head.chain_seq).update(
                chain_seq=head.last_seq
            )
            return Projected(notebook=notebook_id, cells=[], names=[])
        read = _Read.of(head)
        if head.chain_seq >= read.seq or _keep(head, read):
            break  # else somebody else has read it meanwhile
    return Projected(notebook=notebook_id, cells=_judged(read.specs), names=read.names)


def _is_plain(head: Document) -> bool:
    """Say whether there was no cell, and no update since can hold one: long texts need no reading.

    Yjs writes the name of a node's type into the update that makes it, an undo's included.
    """
    if Cell.objects.filter(notebook=head.pk).exists():
        return False
    rows = DocUpdate.objects.filter(document=head, seq__gt=head.chain_seq, seq__lte=head.last_seq)
    payloads = [bytes(payload) for payload in rows.values_list("payload", flat=True)]
    if len(payloads) != head.last_seq - head.chain_seq:
        return False
    return not any(tag.encode() in payload for payload in payloads for tag in CELL_TYPES)


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What a document has, up to an update."""

    seq: int
    vector: bytes
    specs: list[CellSpec]
    names: list[str]
    fingerprints: dict[Place, str]

    @classmethod
    def of(cls, head: Document) -> "_Read":
        stored = history.whole(head)
        doc = document.load(crdt.merge(stored.updates))
        content = document.read_only(doc, CELL_TYPES)
        specs = cells_of(content, head.pk)
        places = marks.places_of(content)
        return cls(
            seq=stored.seq,
            vector=doc.get_state(),
            specs=specs,
            names=distinct_names([spec.name for spec in specs]),
            fingerprints={place: marks.fingerprint(part) for place, part in places.items()},
        )


def _keep(head: Document, read: _Read) -> bool:
    """Bring the rows up to what was read; say whether nobody else did so meanwhile."""
    written = writers.look_up(head, _reading(head, read))
    rows = [
        _row(spec, name, place)
        for place, (spec, name) in enumerate(zip(read.specs, read.names, strict=True))
    ]
    for row in rows:
        row.result_sha256 = read.fingerprints.get((row.cell_id, marks.RESULT), "")
        row.source_sha256 = read.fingerprints.get((row.cell_id, marks.SOURCE), "")
        row.changed_at = written.at or timezone.now()
    with transaction.atomic():
        known = Document.objects.filter(pk=head.pk, chain_seq=head.chain_seq)
        if not known.update(chain_seq=read.seq):
            return False
        writers.keep(head.pk, written)
        if _write(head.pk, rows):
            _write_edges(head.pk, read.specs)
            announce(head.pk)
    return True


def _reading(head: Document, read: _Read) -> writers.Reading:
    """Return what is not as the rows have it."""
    before: dict[Place, str] = {}
    columns = ("cell_id", "result_sha256", "source_sha256")
    for cell, result, source in Cell.objects.filter(notebook=head.pk).values_list(*columns):
        before[cell, marks.RESULT], before[cell, marks.SOURCE] = result, source
    adopted = CellOutput.objects.filter(
        notebook=head.pk, adopted_seq__gt=head.chain_seq, adopted_seq__lte=read.seq
    )
    # What was adopted and taken away again since leaves no difference, but somebody did it.
    came_in = {(cell, marks.RESULT) for cell in adopted.values_list("cell_id", flat=True)}
    changed = {one for one, hashed in read.fingerprints.items() if before.get(one, "") != hashed}
    return writers.Reading(
        upto=read.seq,
        vector=read.vector,
        places=list(read.fingerprints),
        changed=changed | (came_in & read.fingerprints.keys()),
    )


def announce(notebook_id: uuid.UUID) -> None:
    """Tell the notebook's viewers, and those of notebooks that read it, to look again."""
    readers = Edge.objects.filter(source_notebook_id=notebook_id).exclude(notebook=notebook_id)
    for told in {notebook_id, *readers.values_list("notebook", flat=True)}:
        publish.on_commit(f"notebook.{told}", ChainChanged(notebook=str(notebook_id)))


def _write(notebook_id: uuid.UUID, rows: list[Cell]) -> bool:
    """Make the table hold exactly these rows; say whether anything that is shown was different."""
    known = {row.cell_id: row for row in Cell.objects.filter(notebook=notebook_id)}
    gone = known.keys() - {row.cell_id for row in rows}
    fresh, changed = [], []
    is_shown = bool(gone)
    for row in rows:
        old = known.get(row.cell_id)
        if old is None:
            fresh.append(row)
            continue
        if row.result_sha256 == old.result_sha256:
            row.changed_at = old.changed_at
        is_shown = is_shown or _content(old) != _content(row)
        if _content(old) != _content(row) or _hashes(old) != _hashes(row):
            changed.append(row)
    Cell.objects.filter(notebook=notebook_id, cell_id__in=gone).delete()
    Cell.objects.bulk_create(
        [*fresh, *changed],
        update_conflicts=True,
        unique_fields=["notebook", "cell_id"],
        update_fields=WRITTEN,
    )
    return is_shown or bool(fresh)


def _hashes(row: Cell) -> tuple[str, str]:
    return (row.result_sha256, row.source_sha256)


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
