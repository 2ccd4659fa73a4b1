"""Which results are out of date: those whose inputs hash differently from when they were made.

Never a timer, never "something changed nearby": equal inputs are equal hashes (product.md).
"""

import hashlib
import json
from dataclasses import dataclass

from apps.notebooks.chain.graph import Graph, Outside
from apps.notebooks.chain.references import CellKey, Reference


def normalised(text: str) -> str:
    """Return the text as hashes see it: lines trimmed, empty lines dropped.

    A result is read back from paragraphs of the document, where a model's blank lines are gone.
    """
    return "\n".join(line for raw in text.splitlines() if (line := " ".join(raw.split())))


def digest(text: str) -> str:
    """Return the hash of a text's normalised form, 64 hex digits."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a result but the texts it reads."""

    parts: tuple[str | Reference, ...]
    params: dict[str, object]
    model: str  # id of the model version that would serve


def input_hash(recipe: Recipe, texts: dict[Reference, str]) -> str:
    """Return H(instruction, texts read, model version, parameters), 64 hex digits.

    A reference enters by the text that it stands for, not by its name, so that renaming makes
    nothing stale.
    """
    parts = [
        ["text", " ".join(part.split())] if isinstance(part, str) else ["read", digest(texts[part])]
        for part in recipe.parts
        if not (isinstance(part, str) and not part.strip())
    ]
    spelled = json.dumps([parts, recipe.params, recipe.model], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(spelled.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one press of Update would run, sources before readers."""

    steps: tuple[CellKey, ...]
    hashes: dict[CellKey, str]  # of the inputs as they stand, for every runnable cell


def plan_update(
    graph: Graph,
    *,
    recipes: dict[CellKey, Recipe],
    made_from: dict[CellKey, str],
    outside: Outside,
) -> Plan:
    """Return the cells out of date: their inputs changed since `made_from`, or a step changes them.

    A result that people wrote in keeps standing until somebody adopts the proposal, so its readers
    do not follow from its step.
    """
    standing = {key: cell.readable for key, cell in graph.cells.items()}
    hashes: dict[CellKey, str] = {}
    steps: list[CellKey] = []
    changing: set[CellKey] = set()
    for key in graph.order:
        if not graph.is_runnable(key):
            continue
        hashes[key] = input_hash(recipes[key], texts_read(graph.reads[key], standing, outside))
        if made_from.get(key) == hashes[key] and not (graph.sources(key) & changing):
            continue
        steps.append(key)
        if graph.cells[key].follows_its_run:
            changing.add(key)
    return Plan(steps=tuple(steps), hashes=hashes)


def texts_read(
    reads: tuple[Reference, ...], standing: dict[CellKey, str], outside: Outside
) -> dict[Reference, str]:
    """Return the text behind every reference: the standing one here, the visible one elsewhere."""
    return {
        read: outside.texts[read] if read in outside.texts else standing[read.target]
        for read in reads
    }
