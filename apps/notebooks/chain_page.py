"""What a notebook's page shows of its chain, for one person, as JSON."""

import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.catalog import selectors as catalog
from apps.core.words import Change, word_diff
from apps.inference import selectors as inference
from apps.inference.specs import Subject
from apps.notebooks import ai
from apps.notebooks.chain.graph import BrokenReference, CellSpec
from apps.notebooks.chain.references import CellKey
from apps.notebooks.chain.staleness import Plan
from apps.notebooks.models import CellOutput, Notebook, Release
from apps.notebooks.selectors import Access
from apps.notebooks.services.chain import Chain, chain_for, may_run

Status = CellOutput.Status
WRITTEN_SHARE = 0.5  # of the longest text that a cell may get: models end before it


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """An output that waits beside the text, with what it would change."""

    output: str
    variant: int
    text: str
    changes: list[Change]


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why a reference cannot be followed; `target` is the key of the chip that shows it."""

    target: str
    words: str


@dataclass(frozen=True, kw_only=True)
class CellState:
    """How a cell stands."""

    id: str
    key: str
    name: str
    kind: str
    state: str  # none | current | stale | broken
    problems: list[Trouble] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    untouched: bool = True
    can_go_back: bool = False
    release: int = 0  # number of the newest; 0 without one
    release_is_current: bool = False
    step: str = ""  # whose outputs came back last
    came_back: int = 0  # how many of them


@dataclass(frozen=True, kw_only=True)
class Update:
    """What the Update button says."""

    count: int
    elsewhere: int  # of them in other notebooks
    seconds: float
    tokens: int


def state_for(access: Access, user: User) -> dict[str, Any]:
    """Return the chain as the person sees it; nothing of models where they are switched off."""
    chain = chain_for(user, access.notebook)
    if not ai.is_on(user, access.notebook):
        cells = [_named(chain, key) for key in chain.own]
        return {"ai": False, "may_run": False, "cells": [asdict(cell) for cell in cells]}
    plan = chain.out_of_date()
    rows = _Rows(access.notebook)
    return {
        "ai": True,
        "may_run": may_run(access, user),
        "may_edit": access.may_edit,
        "cells": [asdict(_cell(chain, key, plan=plan, rows=rows)) for key in chain.own],
        "sources": {str(key): label for key, label in chain.outside.labels.items()},
        "update": asdict(_update(chain, plan)),
        "runs": inference.live_state(Subject(kind="notebook", id=str(access.notebook.pk))),
    }


class _Rows:
    """Everything that the cells' states are made of, in four queries."""

    def __init__(self, notebook: Notebook) -> None:
        self.waiting: dict[uuid.UUID, list[CellOutput]] = {}
        self.adopted: dict[uuid.UUID, CellOutput] = {}
        self.releases: dict[uuid.UUID, Release] = {}
        self.steps: dict[uuid.UUID, tuple[uuid.UUID, int]] = {}
        kept = CellOutput.objects.filter(notebook=notebook)
        for row in kept.filter(status=Status.WAITING).order_by("variant"):
            self.waiting.setdefault(row.cell_id, []).append(row)
        for row in kept.filter(status=Status.ADOPTED).order_by("decided_at"):
            self.adopted[row.cell_id] = row
        for cell, step in kept.order_by("created_at").values_list("cell_id", "step_id"):
            last, count = self.steps.get(cell, (step, 0))
            self.steps[cell] = (step, count + 1 if last == step else 1)
        for release in Release.objects.filter(notebook=notebook, erased_at=None).order_by("number"):
            self.releases[release.cell_id] = release


def _named(chain: Chain, key: CellKey) -> CellState:
    cell = chain.graph.cells[key]
    return CellState(
        id=str(key.cell), key=str(key), name=chain.graph.names[key], kind=cell.kind, state="none"
    )


def _cell(chain: Chain, key: CellKey, *, plan: Plan, rows: _Rows) -> CellState:
    cell = chain.graph.cells[key]
    release = rows.releases.get(key.cell)
    adopted = rows.adopted.get(key.cell)
    step, came_back = rows.steps.get(key.cell, ("", 0))
    return CellState(
        id=str(key.cell),
        key=str(key),
        name=chain.graph.names[key],
        kind=cell.kind,
        state=_state(chain, key, plan),
        problems=[_trouble(one) for one in chain.graph.broken if one.cell == key],
        untouched=cell.is_untouched,
        waiting=[_waiting(row, cell.text) for row in rows.waiting.get(key.cell, [])],
        can_go_back=_can_go_back(cell, adopted),
        release=release.number if release else 0,
        release_is_current=release is not None and release.text == cell.text,
        step=str(step),
        came_back=came_back,
    )


def _can_go_back(cell: CellSpec, adopted: CellOutput | None) -> bool:
    is_last = adopted is not None and cell.output_id == str(adopted.output_id)
    return is_last and adopted is not None and adopted.before is not None


def _trouble(broken: BrokenReference) -> Trouble:
    return Trouble(target=str(broken.target or ""), words=words_for(broken))


def _state(chain: Chain, key: CellKey, plan: Plan) -> str:
    if chain.graph.cells[key].kind == "text":
        return "none"
    if not chain.graph.is_runnable(key):
        return "broken"
    if key not in plan.steps:
        return "current"
    return "stale" if key in chain.made_from else "none"


def _waiting(row: CellOutput, standing: str) -> Waiting:
    return Waiting(
        output=str(row.output_id),
        variant=row.variant,
        text=row.text,
        changes=word_diff(standing, row.text) if standing.strip() else [],
    )


def _update(chain: Chain, plan: Plan) -> Update:
    deployment = catalog.deployment_for(chain.notebook.organization)
    seconds, tokens = 0.0, 0
    for key in plan.steps:
        if deployment is None:
            break
        step = chain.step(key, plan.follows)
        written = sum(len(getattr(segment, "text", "")) for segment in step.segments)
        new = round(WRITTEN_SHARE * step.params.max_new_tokens) * step.params.variants
        one = catalog.estimate(deployment.variant, prompt_characters=written, new_tokens=new)
        seconds += one.seconds
        tokens += one.tokens
    elsewhere = sum(key.notebook != chain.notebook.pk for key in plan.steps)
    return Update(
        count=len(plan.steps), elsewhere=elsewhere, seconds=round(seconds, 1), tokens=tokens
    )


def drawn_states(chain: Chain) -> dict[CellKey, str]:
    """Return how each cell of the picture stands."""
    plan = chain.out_of_date()
    return {key: _state(chain, key, plan) for key in chain.graph.cells}


def words_for(broken: BrokenReference) -> str:
    """Return why a reference cannot be followed, in words for its place."""
    words = {
        "missing": _("There is no cell “%(label)s” (any more)"),
        "forbidden": _("This source is not shared with you"),
        "unreleased": _("“%(label)s” has no released version yet: ask its editors to release it"),
        "circular": _("This goes round in a circle: %(path)s"),
        "empty": _("“%(label)s” is empty"),
    }[broken.problem]
    return words % {"label": broken.label, "path": " → ".join(broken.path)}
