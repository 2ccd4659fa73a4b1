"""Where the cells of a chain stand when it is drawn: sources left, readers right (Sugiyama's scheme).

Layers by longest path from a source; within a layer two sweeps by the mean place of the neighbours.
The result is plain numbers: the template turns them into SVG.
"""

from dataclasses import dataclass

from apps.notebooks.chain.graph import Graph
from apps.notebooks.chain.references import CellKey

NODE_WIDTH, NODE_HEIGHT = 168, 40
GAP_X, GAP_Y, MARGIN = 56, 16, 12
SWEEPS = 4


@dataclass(frozen=True, kw_only=True)
class DrawnCell:
    """A box: its upper left corner in SVG units."""

    key: CellKey
    name: str
    kind: str
    x: int
    y: int


@dataclass(frozen=True, kw_only=True)
class DrawnEdge:
    """A curve from a source's right side to its reader's left side."""

    source: CellKey
    reader: CellKey
    path: str  # SVG path data


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """All boxes and curves, and the size of the sheet."""

    cells: tuple[DrawnCell, ...]
    edges: tuple[DrawnEdge, ...]
    width: int
    height: int


def draw(graph: Graph) -> Drawing:
    """Return the picture of a graph; cells in circles stand in the first layer."""
    sources = {key: sorted(graph.sources(key), key=str) for key in graph.cells}
    layers = _layers(graph, sources)
    for _ in range(SWEEPS):
        _sweep(layers, sources)
    place = {
        key: (MARGIN + column * (NODE_WIDTH + GAP_X), MARGIN + row * (NODE_HEIGHT + GAP_Y))
        for column, layer in enumerate(layers)
        for row, key in enumerate(layer)
    }
    edges = tuple(
        DrawnEdge(source=source, reader=reader, path=_curve(place[source], place[reader]))
        for reader, read in sources.items()
        for source in read
    )
    cells = tuple(
        DrawnCell(key=key, name=graph.names[key], kind=graph.cells[key].kind, x=x, y=y)
        for key, (x, y) in place.items()
    )
    tallest = max((len(layer) for layer in layers), default=0)
    return Drawing(
        cells=cells,
        edges=edges,
        width=2 * MARGIN + len(layers) * (NODE_WIDTH + GAP_X) - GAP_X * bool(layers),
        height=2 * MARGIN + tallest * (NODE_HEIGHT + GAP_Y) - GAP_Y * bool(tallest),
    )


def _layers(graph: Graph, sources: dict[CellKey, list[CellKey]]) -> list[list[CellKey]]:
    depth: dict[CellKey, int] = {}
    for key in (*graph.order, *(key for key in graph.cells if key not in graph.order)):
        depth[key] = 1 + max((depth.get(source, -1) for source in sources[key]), default=-1)
    layers: list[list[CellKey]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for key in graph.cells:  # in document order
        layers[depth[key]].append(key)
    return layers


def _sweep(layers: list[list[CellKey]], sources: dict[CellKey, list[CellKey]]) -> None:
    """Order each layer by the mean row of what its cells read; the others keep their place."""
    row = {key: number for layer in layers for number, key in enumerate(layer)}
    for layer in layers[1:]:
        mean = {
            key: sum(row[source] for source in sources[key]) / len(sources[key])
            if sources[key]
            else row[key]
            for key in layer
        }
        layer.sort(key=mean.__getitem__)
        row.update({key: number for number, key in enumerate(layer)})


def _curve(source: tuple[int, int], reader: tuple[int, int]) -> str:
    x1, y1 = source[0] + NODE_WIDTH, source[1] + NODE_HEIGHT // 2
    x2, y2 = reader[0], reader[1] + NODE_HEIGHT // 2
    bend = max(GAP_X // 2, abs(x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
