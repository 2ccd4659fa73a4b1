"""Cells for the tests of the chain: few words to a graph."""

from uuid import UUID, uuid5

from hypothesis import strategies as st

from apps.notebooks.chain import prompts
from apps.notebooks.chain.graph import CellSpec, Graph, Outside, compile_graph
from apps.notebooks.chain.prompts import Standing, step_of
from apps.notebooks.chain.references import CellKey, Reference, distinct_names
from apps.notebooks.chain.staleness import texts_read

HERE = UUID(int=1)


def key(name: str) -> CellKey:
    return CellKey(notebook=HERE, cell=uuid5(HERE, name))


def prompt(
    name: str, *reads: str, text: str = "", output_id: str | None = None, **params
) -> CellSpec:
    parts = tuple(Reference(target=key(read)) for read in reads)
    return CellSpec(
        key=key(name),
        name=name,
        kind="prompt",
        parts=("Write it.", *parts),
        text=text,
        output_id=output_id,
        params=params,
    )


def plain(name: str, text: str) -> CellSpec:
    return CellSpec(key=key(name), name=name, kind="text", text=text)


def graph_of(*cells: CellSpec, outside: Outside | None = None) -> Graph:
    names = distinct_names([cell.name for cell in cells])
    return compile_graph(list(cells), names, outside or Outside())


def hash_in(graph: Graph, model: str = "model-1", outside: Outside | None = None):
    """Return the function that hashes a cell's inputs as they stand in the graph."""

    def hash_of(one: CellKey) -> str:
        texts = texts_read(graph, one, outside or Outside())
        cell = graph.cells[one]
        step = step_of(cell, cell.parts, standing=Standing(texts=texts), voice="Plain.")
        return prompts.hash_of(step, model)

    return hash_of


@st.composite
def any_cells(draw, *, size: int = 8) -> list[CellSpec]:
    """Draw prompt and text cells with references in every direction, circles and gaps included."""
    count = draw(st.integers(1, size))
    names = [f"c{number}" for number in range(count)]
    cells = []
    for name in names:
        text = draw(st.sampled_from(["", "one", "two words"]))
        if draw(st.booleans()):
            cells.append(plain(name, text))
            continue
        reads = draw(st.lists(st.sampled_from([*names, "gone"]), max_size=3))
        output_id = draw(st.sampled_from([None, "output"]))
        cells.append(prompt(name, *reads, text=text, output_id=output_id))
    return cells
