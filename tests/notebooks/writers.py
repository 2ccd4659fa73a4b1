"""Notebooks with cells for tests, and the work that workers would do, done at once."""

from typing import Any
from uuid import UUID, uuid5

from pycrdt import XmlFragment

from apps.accounts.models import User
from apps.inference import execution, outbox
from apps.inference.models import Run, StepRun
from apps.notebooks import crdt, document, history
from apps.notebooks.chain.cells import as_attributes, cells_of, replace_result
from apps.notebooks.chain.graph import CellSpec
from apps.notebooks.models import Document, Notebook
from apps.notebooks.selectors import Access, access_notebook
from apps.notebooks.services import chain, updates
from apps.notebooks.services.notebooks import create_notebook
from apps.organizations.models import Workspace

PLACE = UUID(int=0xCE11)


def cell_id(name: str) -> UUID:
    return uuid5(PLACE, name)


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def paragraph(text: str = "") -> dict[str, Any]:
    return {"type": "paragraph", "content": [words(text)] if text else []}


def text_cell(name: str, text: str) -> dict[str, Any]:
    return {
        "type": "textCell",
        "attrs": {"cellId": str(cell_id(name)), "name": name},
        "content": [paragraph(text)],
    }


def chip(name: str, *, of: Notebook | None = None, mode: str = "live") -> dict[str, Any]:
    attrs = {"cellId": str(cell_id(name)), "mode": mode}
    if of is not None:
        attrs["notebookId"] = str(of.pk)
    return {"type": "cellReference", "attrs": attrs}


def prompt_cell(name: str, *instruction: dict[str, Any], **params: Any) -> dict[str, Any]:
    return {
        "type": "promptCell",
        "attrs": {"cellId": str(cell_id(name)), "name": name, **as_attributes(params)},
        "content": [
            {"type": "cellInstruction", "content": [words(f"Write the {name} for "), *instruction]},
            {"type": "cellResult", "content": [paragraph()]},
        ],
    }


def notebook(
    workspace: Workspace, by: User, *blocks: dict[str, Any], title: str = "Launch"
) -> Notebook:
    content = document.encode({"type": "doc", "content": list(blocks)})
    return create_notebook(workspace=workspace, by=by, title=title, content=content)


def access(book: Notebook, user: User) -> Access:
    return access_notebook(user, book.pk)


def state_of(book: Notebook) -> bytes:
    return crdt.merge(history.whole(Document.objects.get(pk=book.pk)).updates)


def cells(book: Notebook) -> dict[str, CellSpec]:
    return {cell.name: cell for cell in cells_of(document.decode(state_of(book)), book.pk)}


def append(book: Notebook, by: User, payload: bytes) -> None:
    incoming = [updates.Incoming(user_id=by.pk, payload=payload)]
    assert updates.append(notebook_id=book.pk, incoming=incoming).outcomes[0].refusal is None


def type_result(book: Notebook, by: User, name: str, text: str) -> None:
    """Do what a browser does when a person writes over a whole result."""
    append(book, by, replace_result(state_of(book), cell_id(name), [paragraph(text)]))


def set_params(book: Notebook, by: User, name: str, **params: Any) -> None:
    """Do what a browser does when a person changes the settings of a cell."""
    doc = crdt.loaded(state_of(book))
    before = doc.get_state()
    for block in doc.get(document.FRAGMENT, type=XmlFragment).children:
        if block.attributes.get("cellId") == str(cell_id(name)):
            for setting, value in as_attributes(params).items():
                block.attributes[setting] = value
    append(book, by, bytes(doc.get_update(before)))


def update(book: Notebook, by: User, *only: str, key: str = "") -> Run:
    """Press Update (or Ctrl-Enter in some cells)."""
    return chain.start_update(
        access=access(book, by),
        by=by,
        cells=[cell_id(name) for name in only] or None,
        idempotency_key=key or f"key-{Run.objects.count()}",
    )


def work(run: Run) -> None:
    """Write every step and adopt what comes back, as workers would."""
    for pool in set(StepRun.objects.filter(run=run).values_list("pool", flat=True)):
        execution.run_stage(run_id=str(run.pk), pool=pool)
    outbox.deliver()


def write(book: Notebook, by: User, *only: str) -> Run:
    run = update(book, by, *only)
    work(run)
    return run
