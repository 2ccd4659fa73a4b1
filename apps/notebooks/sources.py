"""The cells that somebody who types `{{` can choose from."""

import uuid
from dataclasses import dataclass

from django.db.models import Q

from apps.accounts.models import User
from apps.notebooks import selectors
from apps.notebooks.models import Cell, Notebook, Release
from apps.notebooks.projection import project

LIMIT = 24


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One entry of the picker."""

    notebook: str  # id; empty for the notebook at hand
    cell: str
    label: str
    written: str  # between braces
    title: str
    mode: str  # live | released
    is_released: bool
    preview: str


def choices_for(user: User, notebook: Notebook, search: str) -> list[Choice]:
    """Return cells whose name or notebook matches, those at hand first; across divisions released ones."""
    here = project(notebook.pk)
    wanted = search.strip().lower()
    own = [
        Choice(
            notebook="",
            cell=str(spec.key.cell),
            label=name,
            written=name,
            title=notebook.title,
            mode="live",
            is_released=False,
            preview=spec.readable[:160],
        )
        for spec, name in zip(here.cells, here.names, strict=True)
        if wanted in name
    ]
    return (own + _elsewhere(user, notebook, wanted))[:LIMIT]


def _elsewhere(user: User, notebook: Notebook, wanted: str) -> list[Choice]:
    visible = selectors.visible_notebooks(user, notebook.organization).alive()
    rows = (
        Cell.objects.filter(notebook__in=visible.exclude(pk=notebook.pk))
        .filter(_matches(wanted))
        .select_related("notebook__workspace")
        .order_by("-notebook__edited_at", "position")[: LIMIT * 2]
    )
    found = list(rows)
    released = _released(found)
    choices = []
    for row in found:
        is_near = row.notebook.workspace.division_id == notebook.workspace.division_id
        release = released.get((row.notebook_id, row.cell_id))
        text = row.text if is_near else release.text if release else ""
        choices.append(
            Choice(
                notebook=str(row.notebook_id),
                cell=str(row.cell_id),
                label=row.name,
                written=f"{row.notebook.slug}/{row.name}",
                title=row.notebook.title,
                mode="live" if is_near else "released",
                is_released=release is not None,
                preview=text[:160],
            )
        )
    return choices


def _matches(wanted: str) -> Q:
    """Return what fits the words, or an address as it is written between braces: `notebook/cell`."""
    book, slash, name = wanted.rpartition("/")
    if slash:
        return Q(notebook__slug__startswith=book, name__startswith=name)
    return Q(name__icontains=wanted) | Q(notebook__title__icontains=wanted)


def _released(rows: list[Cell]) -> dict[tuple[uuid.UUID, uuid.UUID], Release]:
    """Return the newest release of each of the cells."""
    among = {row.notebook_id for row in rows}
    releases = Release.objects.filter(notebook__in=among, erased_at=None)
    return {(one.notebook_id, one.cell_id): one for one in releases.order_by("number")}
