"""The graph of cells: what each one reads, in which order they run, and what is wrong where.

Pure: cells in, graph out. Rights and texts of other notebooks come in as `outside`.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID

from apps.notebooks.chain.references import CellKey, Part, Reference, WrittenReference

Problem = Literal["missing", "forbidden", "unreleased", "circular", "empty"]


@dataclass(frozen=True, kw_only=True)
class CellSpec:
    """A cell as the document has it."""

    key: CellKey
    name: str
    kind: Literal["text", "prompt"]
    parts: tuple[Part, ...] = ()  # the instruction of a prompt cell
    params: dict[str, object] = field(default_factory=dict)
    text: str = ""  # the standing text: a text cell's content, a prompt cell's result
    output_id: str | None = None  # the output that stands untouched; None when people wrote there
    first_variant: str = ""  # read in place of an empty result while nobody has chosen one

    def judged(self, *, is_whole: bool, first_variant: str) -> "CellSpec":
        """Return the cell knowing whether its output still stands whole, and what waits."""
        output_id = self.output_id if is_whole else None
        return replace(self, output_id=output_id, first_variant=first_variant)

    @property
    def is_untouched(self) -> bool:
        """Say whether a new output may replace the result: it is empty, or wholly a model's."""
        return not self.text.strip() or self.output_id is not None

    @property
    def follows_its_run(self) -> bool:
        """Say whether readers get what the next run writes before anybody has adopted it."""
        has_choice = int(str(self.params.get("variants", 1))) > 1
        return self.is_untouched and not (has_choice and self.text.strip())

    @property
    def readable(self) -> str:
        """Return what a reader of this cell gets."""
        return self.text if self.text.strip() else self.first_variant


@dataclass(frozen=True, kw_only=True)
class BrokenReference:
    """A reference that cannot be followed: where it stands, why, and for a circle the way round."""

    cell: CellKey
    label: str
    problem: Problem
    target: CellKey | None = None  # of a chip; a reference in braces that leads nowhere has none
    path: tuple[str, ...] = ()  # names, from the cell back to itself


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Compiled cells. `order` lists every cell after all that it reads (circles aside)."""

    cells: dict[CellKey, CellSpec]
    names: dict[CellKey, str]
    reads: dict[CellKey, tuple[Reference, ...]]  # only those that can be followed
    broken: tuple[BrokenReference, ...]
    order: tuple[CellKey, ...]

    def sources(self, key: CellKey) -> set[CellKey]:
        """Return the cells of this graph whose live text the cell reads."""
        live = {read.target for read in self.reads[key] if read.mode == "live"}
        return live & self.cells.keys()

    def ancestry(self, keys: Iterable[CellKey]) -> set[CellKey]:
        """Return the cells and all that they read, directly or through others."""
        found: set[CellKey] = set()
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting.extend(self.sources(key))
        return found

    def is_runnable(self, key: CellKey) -> bool:
        """Say whether the cell is a prompt without a broken reference."""
        return self.cells[key].kind == "prompt" and all(one.cell != key for one in self.broken)


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What references to other notebooks lead to, with the rights of the person at hand."""

    texts: dict[Reference, str] = field(default_factory=dict)
    problems: dict[Reference, Problem] = field(default_factory=dict)
    labels: dict[CellKey, str] = field(default_factory=dict)
    by_name: dict[WrittenReference, Reference] = field(default_factory=dict)


def compile_graph(cells: list[CellSpec], names: list[str], outside: Outside) -> Graph:
    """Return the graph of the cells, which stand in document order with their distinct names."""
    known = {cell.key: cell for cell in cells}
    shown = dict(zip(known, names, strict=True))
    by_name = {(key.notebook, name): key for key, name in shown.items()}
    reads: dict[CellKey, tuple[Reference, ...]] = {}
    broken: list[BrokenReference] = []
    for cell in cells:
        followed = []
        for part in cell.parts:
            if isinstance(part, str):
                continue
            reference = _by_ids(part, cell, by_name=by_name, outside=outside)
            problem = _problem(reference, known, outside)
            if reference is None or problem:
                label = _label(part, shown, outside)
                target = reference.target if reference else None
                problem = problem or "missing"
                broken.append(
                    BrokenReference(cell=cell.key, label=label, problem=problem, target=target)
                )
            else:
                followed.append(reference)
        reads[cell.key] = tuple(followed)
    circles = _circles(known, reads, shown)
    in_circle = {(one.cell, one.path[1]) for one in circles}
    for key, followed_here in reads.items():
        reads[key] = tuple(
            read for read in followed_here if (key, shown.get(read.target)) not in in_circle
        )
    graph = Graph(cells=known, names=shown, reads=reads, broken=(*broken, *circles), order=())
    return Graph(cells=known, names=shown, reads=reads, broken=graph.broken, order=_order(graph))


def _by_ids(
    part: Reference | WrittenReference,
    cell: CellSpec,
    *,
    by_name: dict[tuple[UUID, str], CellKey],
    outside: Outside,
) -> Reference | None:
    if isinstance(part, Reference):
        return part
    if part.notebook:
        return outside.by_name.get(part)
    target = by_name.get((cell.key.notebook, part.cell))
    return Reference(target=target, mode=part.mode) if target else None


def _problem(
    reference: Reference | None, known: dict[CellKey, CellSpec], outside: Outside
) -> Problem | None:
    if reference is None:
        return "missing"
    if reference in outside.problems:
        return outside.problems[reference]
    if reference.target in known or reference in outside.texts:
        return None
    return "missing"


def _label(part: Part, shown: dict[CellKey, str], outside: Outside) -> str:
    if isinstance(part, Reference):
        return shown.get(part.target) or outside.labels.get(part.target, "?")
    return str(part)


def _circles(
    known: dict[CellKey, CellSpec],
    reads: dict[CellKey, tuple[Reference, ...]],
    shown: dict[CellKey, str],
) -> list[BrokenReference]:
    """Return every reference that leads back to its own cell, with the shortest way round."""
    forward = {
        key: list(dict.fromkeys(r.target for r in found if r.mode == "live" and r.target in known))
        for key, found in reads.items()
    }
    component = _components(forward)
    found = []
    for key, targets in forward.items():
        for target in targets:
            if component[key] != component[target]:
                continue
            back = _path(forward, target, key)
            if back:
                names = (shown[key], *(shown[step] for step in back))
                found.append(
                    BrokenReference(
                        cell=key, label=shown[target], problem="circular", target=target, path=names
                    )
                )
    return found


def _path(
    forward: dict[CellKey, list[CellKey]], start: CellKey, goal: CellKey
) -> list[CellKey] | None:
    """Return the shortest way from start to goal, both included."""
    before: dict[CellKey, CellKey | None] = {start: None}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        if here == goal:
            way: list[CellKey] = []
            step: CellKey | None = here
            while step is not None:
                way.append(step)
                step = before[step]
            return way[::-1]
        for following in forward[here]:
            if following not in before:
                before[following] = here
                waiting.append(following)
    return None


def _components(forward: dict[CellKey, list[CellKey]]) -> dict[CellKey, int]:
    """Return the strongly connected component of every cell (Kosaraju, without recursion)."""
    finished: list[CellKey] = []
    seen: set[CellKey] = set()
    for root, direct in forward.items():
        stack = [(root, iter(direct))] if root not in seen else []
        seen.add(root)
        while stack:
            key, following = stack[-1]
            fresh = next((one for one in following if one not in seen), None)
            if fresh is None:
                finished.append(key)
                stack.pop()
            else:
                seen.add(fresh)
                stack.append((fresh, iter(forward[fresh])))
    backward: dict[CellKey, list[CellKey]] = {key: [] for key in forward}
    for key, targets in forward.items():
        for target in targets:
            backward[target].append(key)
    component: dict[CellKey, int] = {}
    for number, root in enumerate(reversed(finished)):
        waiting = [root] if root not in component else []
        while waiting:
            key = waiting.pop()
            if key not in component:
                component[key] = number
                waiting.extend(one for one in backward[key] if one not in component)
    return component


def _order(graph: Graph) -> tuple[CellKey, ...]:
    """Return the cells, each after what it reads (Kahn; document order where free)."""
    sources = {key: graph.sources(key) for key in graph.cells}
    missing = {key: len(read) for key, read in sources.items()}
    readers: dict[CellKey, list[CellKey]] = {key: [] for key in graph.cells}
    for reader, read in sources.items():
        for source in read:
            readers[source].append(reader)
    ready = deque(key for key, count in missing.items() if count == 0)
    order = []
    while ready:
        key = ready.popleft()
        order.append(key)
        for reader in readers[key]:
            missing[reader] -= 1
            if missing[reader] == 0:
                ready.append(reader)
    return tuple(order)
