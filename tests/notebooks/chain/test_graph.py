"""The compiled graph: sources before readers, circles refused where they stand."""

from dataclasses import replace

from hypothesis import given

from apps.notebooks.chain.graph import Outside
from apps.notebooks.chain.references import Reference, WrittenReference
from tests.notebooks.chain.cells import any_cells, graph_of, key, plain, prompt


def test_sources_stand_before_their_readers():
    graph = graph_of(prompt("post", "tagline"), prompt("tagline", "brief"), plain("brief", "x"))
    assert [graph.names[one] for one in graph.order] == ["brief", "tagline", "post"]


def test_a_circle_is_refused_at_each_reference_with_the_way_round():
    graph = graph_of(prompt("a", "b"), prompt("b", "c"), prompt("c", "a"), prompt("d", "a"))
    ways = {one.path for one in graph.broken}
    assert ways == {("a", "b", "c", "a"), ("b", "c", "a", "b"), ("c", "a", "b", "c")}
    assert not graph.is_runnable(key("a"))
    assert graph.is_runnable(key("d"))


def test_a_cell_that_reads_itself_is_a_circle_of_one():
    (broken,) = graph_of(prompt("a", "a")).broken
    assert (broken.problem, broken.path) == ("circular", ("a", "a"))


def test_a_missing_source_is_named():
    graph = graph_of(replace(prompt("a"), parts=(WrittenReference(notebook="", cell="briefing"),)))
    (broken,) = graph.broken
    assert (broken.problem, broken.label) == ("missing", "briefing")


def test_a_written_name_leads_to_the_cell_of_that_name():
    cell = replace(prompt("a"), parts=(WrittenReference(notebook="", cell="brief"),))
    graph = graph_of(plain("brief", "x"), cell)
    assert graph.sources(key("a")) == {key("brief")}
    assert not graph.broken


def test_a_source_that_the_person_may_not_see_is_forbidden_and_not_runnable():
    elsewhere = Reference(target=key("elsewhere"), mode="released")
    outside = Outside(problems={elsewhere: "forbidden"}, labels={elsewhere.target: "hq/claim"})
    graph = graph_of(replace(prompt("a"), parts=(elsewhere,)), outside=outside)
    (broken,) = graph.broken
    assert (broken.problem, broken.label) == ("forbidden", "hq/claim")
    assert not graph.is_runnable(key("a"))


def test_a_reference_holds_by_id_when_the_cell_is_renamed():
    before = graph_of(plain("brief", "x"), prompt("a", "brief"))
    renamed = graph_of(replace(plain("brief", "x"), name="campaign"), prompt("a", "brief"))
    assert before.sources(key("a")) == renamed.sources(key("a")) == {key("brief")}


@given(any_cells())
def test_every_cell_outside_circles_is_ordered_after_all_it_reads(cells):
    graph = graph_of(*cells)
    place = {one: number for number, one in enumerate(graph.order)}
    assert set(place) == set(graph.cells)
    for reader in graph.cells:
        assert all(place[source] < place[reader] for source in graph.sources(reader))


@given(any_cells())
def test_every_reference_is_followed_or_reported_never_both_or_neither(cells):
    graph = graph_of(*cells)
    for cell in cells:
        wanted = {part for part in cell.parts if not isinstance(part, str)}
        labels = {one.label for one in graph.broken if one.cell == cell.key}
        followed = set(graph.reads[cell.key])
        for part in wanted:
            name = graph.names.get(part.target, "?")
            assert (part in followed) != (name in labels)


@given(any_cells())
def test_a_reported_circle_is_a_real_one(cells):
    graph = graph_of(*cells)
    by_name = {name: cell for cell, name in graph.names.items()}
    for one in graph.broken:
        for here, following in zip(one.path, one.path[1:], strict=False):
            targets = {p.target for p in graph.cells[by_name[here]].parts if not isinstance(p, str)}
            assert by_name[following] in targets
