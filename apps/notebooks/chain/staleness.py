"""Which results are out of date: those whose inputs hash differently from when they were made.

Never a timer, never "something changed nearby": equal inputs are equal hashes.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from apps.inference.specs import normal
from apps.notebooks.chain.graph import Graph, Outside
from apps.notebooks.chain.references import CellKey, Reference

HashOf = Callable[[CellKey], str]  # of the cell's inputs as they stand now


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one press of Update would run, sources before readers."""

    steps: tuple[CellKey, ...]
    hashes: dict[CellKey, str]  # of the inputs as they stand, for every runnable cell
    follows: frozenset[CellKey]  # the steps whose readers get what they are about to write


def plan_update(
    graph: Graph,
    *,
    hash_of: HashOf,
    made_from: Mapping[CellKey, str],
    among: Collection[CellKey] | None = None,
) -> Plan:
    """Return the cells out of date: their inputs changed since `made_from`, or a step changes them.

    With `among`, only those cells are looked at.

    A result that people wrote in keeps standing until somebody adopts the proposal, so its readers
    do not follow from its step.
    """
    hashes: dict[CellKey, str] = {}
    steps: list[CellKey] = []
    changing: set[CellKey] = set()
    for key in graph.order:
        if not graph.is_runnable(key) or (among is not None and key not in among):
            continue
        hashes[key] = hash_of(key)
        if made_from.get(key) == hashes[key] and not (graph.sources(key) & changing):
            continue
        steps.append(key)
        if graph.cells[key].follows_its_run:
            changing.add(key)
    return Plan(steps=tuple(steps), hashes=hashes, follows=frozenset(changing))


def plan_cells(graph: Graph, *, hash_of: HashOf, cells: set[CellKey]) -> Plan:
    """Return the plan that runs exactly these cells (those of them that can run), out of date or not."""
    runnable = [key for key in graph.order if graph.is_runnable(key)]
    steps = tuple(key for key in runnable if key in cells)
    return Plan(
        steps=steps,
        hashes={key: hash_of(key) for key in runnable},
        follows=frozenset(key for key in steps if graph.cells[key].follows_its_run),
    )


def stands_untouched(result: str, output_text: str) -> bool:
    """Say whether a result's text is still all of what the output said."""
    return normal(result) == normal(output_text)


def texts_read(graph: Graph, key: CellKey, outside: Outside) -> dict[Reference, str]:
    """Return the text behind each of the cell's references: the standing one here, the visible there."""
    return {
        read: outside.texts[read] if read in outside.texts else graph.cells[read.target].readable
        for read in graph.reads[key]
    }
