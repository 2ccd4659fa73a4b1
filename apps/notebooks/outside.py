"""What references to other notebooks lead to, for one person: texts, or why there is none.

Within a division the standing text is read; across divisions only a released version ever is. Rights
are those of the person who asks: who runs decides what a run may read, who looks what is shown.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from apps.accounts.models import User
from apps.notebooks import ai, selectors
from apps.notebooks.chain.graph import CellSpec, Outside, Problem
from apps.notebooks.chain.references import CellKey, Reference, WrittenReference
from apps.notebooks.models import Notebook, Release
from apps.notebooks.projection import Projected, project
from apps.organizations.policy import Level

NOTEBOOK_LIMIT = 25  # that one chain may run through


@dataclass
class Gathered:
    """The cells that one Update may run, in this notebook and above it, and the rest as texts."""

    cells: list[CellSpec] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    outside: Outside = field(default_factory=Outside)


def gather(user: User, notebook: Notebook) -> Gathered:
    """Return the notebook's cells, with those of notebooks that they read live and the person may run."""
    return _Gathering(user, notebook).gathered()


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What one reference leads to: a text, or the problem in its place."""

    text: str = ""
    label: str = ""
    problem: Problem | None = None


def look_up(user: User, notebook: Notebook, reference: Reference) -> Looked:
    """Return what a chip in the notebook stands for, as the person may see it."""
    if reference.target.notebook == notebook.pk:
        projected = project(notebook.pk)
        for spec, name in zip(projected.cells, projected.names, strict=True):
            if spec.key == reference.target:
                return Looked(text=spec.readable, label=name)
        return Looked(problem="missing")
    return _Gathering(user, notebook).look_up(reference)


class _Gathering:
    """Walks from a notebook along its references."""

    def __init__(self, user: User, notebook: Notebook) -> None:
        self._user = user
        self._home = notebook
        self._notebooks: dict[uuid.UUID, tuple[Notebook, Level] | None] = {}
        self._projected: dict[uuid.UUID, Projected] = {}
        self._result = Gathered()

    def gathered(self) -> Gathered:
        """Walk, and return what was found."""
        self._notebooks[self._home.pk] = (self._home, Level.VIEW)
        waiting = [self._home.pk]
        included = {self._home.pk}
        while waiting:
            place = waiting.pop(0)
            projected = self._cells(place)
            self._result.cells += projected.cells
            self._result.names += projected.names
            for reference in self._references(projected.cells):
                there = reference.target.notebook
                may_run = self._follow(reference)
                if may_run and there not in included and len(included) < NOTEBOOK_LIMIT:
                    included.add(there)
                    waiting.append(there)
        self._drop_texts_of(included)
        return self._result

    def look_up(self, reference: Reference) -> Looked:
        """Return what one reference out of the notebook leads to."""
        self._follow(reference)
        found = self._result.outside
        return Looked(
            text=found.texts.get(reference, ""),
            label=found.labels.get(reference.target, ""),
            problem=found.problems.get(reference),
        )

    def _references(self, cells: Iterable[CellSpec]) -> Iterable[Reference]:
        """Yield the references that leave their notebook, written ones found by name first."""
        for cell in cells:
            for part in cell.parts:
                if isinstance(part, WrittenReference) and part.notebook:
                    found = self._by_name(part)
                    if found is not None:
                        yield found
                elif isinstance(part, Reference) and part.target.notebook != cell.key.notebook:
                    yield part

    def _follow(self, reference: Reference) -> bool:
        """Note the text or the problem; True when its notebook's own cells may run with ours."""
        found = self._open(reference.target.notebook)
        if found is None:
            self._result.outside.problems[reference] = "forbidden"
            return False
        notebook, level = found
        source = self._source(reference.target)
        if source is None:
            self._result.outside.problems[reference] = "missing"
            return False
        spec, name = source
        self._result.outside.labels[reference.target] = f"{notebook} / {name}"
        if reference.mode == "released" or not self._is_near(notebook):
            self._read_release(reference)
            return False
        self._result.outside.texts[reference] = spec.readable
        may_run = level >= Level.RUN and notebook.trashed_at is None
        return spec.kind == "prompt" and may_run and ai.is_on(self._user, notebook)

    def _read_release(self, reference: Reference) -> None:
        release = Release.objects.filter(
            notebook=reference.target.notebook, cell_id=reference.target.cell, erased_at=None
        ).first()
        if release is None:
            self._result.outside.problems[reference] = "unreleased"
        else:
            self._result.outside.texts[reference] = release.text

    def _is_near(self, notebook: Notebook) -> bool:
        return notebook.workspace.division_id == self._home.workspace.division_id

    def _open(self, pk: uuid.UUID) -> tuple[Notebook, Level] | None:
        """Return the notebook and the person's level; None when it is not for them, or gone."""
        if pk not in self._notebooks:
            notebook = (
                Notebook.objects.select_related("workspace__division__parent", "organization")
                .filter(pk=pk, organization=self._home.organization_id)
                .first()
            )
            level = selectors.level_of(self._user, notebook) if notebook else Level.NONE
            visible = notebook is not None and level >= Level.VIEW
            self._notebooks[pk] = (notebook, level) if notebook and visible else None
        return self._notebooks[pk]

    def _by_name(self, written: WrittenReference) -> Reference | None:
        visible = selectors.visible_notebooks(self._user, self._home.organization).alive()
        candidates = list(visible.filter(slug=written.notebook))
        candidates.sort(key=lambda one: one.workspace_id != self._home.workspace_id)
        for notebook in candidates:
            projected = self._cells(notebook.pk)
            for spec, name in zip(projected.cells, projected.names, strict=True):
                if name == written.cell:
                    reference = Reference(target=spec.key, mode=written.mode)
                    self._result.outside.by_name[written] = reference
                    return reference
        return None

    def _source(self, key: CellKey) -> tuple[CellSpec, str] | None:
        projected = self._cells(key.notebook)
        for spec, name in zip(projected.cells, projected.names, strict=True):
            if spec.key == key:
                return spec, name
        return None

    def _cells(self, notebook: uuid.UUID) -> Projected:
        if notebook not in self._projected:
            self._projected[notebook] = project(notebook)
        return self._projected[notebook]

    def _drop_texts_of(self, included: set[uuid.UUID]) -> None:
        """Leave live texts of included notebooks to the graph, where a run may change them."""
        kept = {
            reference: text
            for reference, text in self._result.outside.texts.items()
            if reference.target.notebook not in included
            or reference.mode == "released"
            or not self._is_near_id(reference.target.notebook)
        }
        self._result.outside = replace(self._result.outside, texts=kept)

    def _is_near_id(self, pk: uuid.UUID) -> bool:
        found = self._notebooks.get(pk)
        return found is not None and self._is_near(found[0])
