"""The picture of a chain: readers right of what they read, no box on another."""

from hypothesis import given

from apps.notebooks.chain.drawing import NODE_HEIGHT, NODE_WIDTH, draw
from tests.notebooks.chain.cells import any_cells, graph_of, key, plain, prompt


def test_an_empty_chain_is_a_blank_sheet():
    assert draw(graph_of()).cells == ()


def test_a_chain_runs_from_left_to_right():
    picture = draw(graph_of(prompt("b", "a"), prompt("c", "b"), plain("a", "x")))
    columns = {cell.name: cell.x for cell in picture.cells}
    assert columns["a"] < columns["b"] < columns["c"]
    assert [(edge.source, edge.reader) for edge in picture.edges] == [
        (key("a"), key("b")),
        (key("b"), key("c")),
    ]


@given(any_cells(size=20))
def test_every_cell_is_drawn_once_on_the_sheet_and_on_no_other(cells):
    graph = graph_of(*cells)
    picture = draw(graph)
    assert {cell.key for cell in picture.cells} == set(graph.cells)
    for number, cell in enumerate(picture.cells):
        assert cell.x + NODE_WIDTH <= picture.width
        assert cell.y + NODE_HEIGHT <= picture.height
        for other in picture.cells[:number]:
            assert abs(cell.x - other.x) >= NODE_WIDTH or abs(cell.y - other.y) >= NODE_HEIGHT


@given(any_cells(size=20))
def test_every_source_stands_left_of_its_reader(cells):
    picture = draw(graph_of(*cells))
    place = {cell.key: cell.x for cell in picture.cells}
    assert all(place[edge.source] < place[edge.reader] for edge in picture.edges)
