"""Stages and consequences, against slow and obvious versions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.inference import graph
from apps.inference.graph import Node

STATUSES = ["queued", "running", "streaming", "succeeded", "cached", "failed", "cancelled"]


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Draw steps that read only earlier ones, in a drawn order."""
    count = draw(st.integers(1, 12))
    nodes = []
    for number in range(count):
        earlier = [f"s{one}" for one in range(number)]
        reads = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        status = draw(st.sampled_from(STATUSES))
        pool = draw(st.sampled_from(["a", "b"]))
        nodes.append(Node(key=f"s{number}", pool=pool, status=status, depends_on=tuple(reads)))
    return draw(st.permutations(nodes))


@given(graphs())
def test_an_order_puts_every_source_before_its_readers(nodes: list[Node]) -> None:
    order = graph.in_order({node.key: node.depends_on for node in nodes})
    assert sorted(order) == sorted(node.key for node in nodes)
    place = {key: number for number, key in enumerate(order)}
    assert all(place[one] < place[node.key] for node in nodes for one in node.depends_on)


@given(graphs())
def test_a_stage_is_the_largest_piece_that_the_pool_can_run(nodes: list[Node]) -> None:
    by_key = {node.key: node for node in nodes}
    inside = {node.key for node in nodes if node.pool == "a" and node.status == "queued"}
    changed = True
    while (
        changed
    ):  # drop what reads anything that is neither done nor inside, until nothing changes
        kept = {
            key
            for key in inside
            if all(
                one in inside or by_key[one].status in graph.DONE for one in by_key[key].depends_on
            )
        }
        changed, inside = kept != inside, kept
    assert set(graph.stage(nodes, "a")) == inside


@given(graphs())
def test_a_pool_is_ready_exactly_when_it_has_a_stage(nodes: list[Node]) -> None:
    assert graph.ready_pools(nodes) == [pool for pool in ("a", "b") if graph.stage(nodes, pool)]


@given(graphs(), st.data())
def test_readers_are_found_however_far_down(nodes: list[Node], data: st.DataObject) -> None:
    start = data.draw(st.sampled_from(nodes)).key
    found = {start}
    for _ in nodes:
        found |= {node.key for node in nodes if found.intersection(node.depends_on)}
    assert graph.readers_of(nodes, [start]) == found - {start}


def test_steps_in_a_circle_are_refused_by_name() -> None:
    with pytest.raises(graph.StepsDoNotFit, match="a, b wait for each other"):
        graph.in_order({"a": ["b"], "b": ["a"], "c": []})


def test_a_source_outside_the_run_is_refused_by_name() -> None:
    with pytest.raises(graph.StepsDoNotFit, match="“a” reads x"):
        graph.in_order({"a": ["x"]})


def test_three_hundred_steps_in_a_row_are_one_stage() -> None:
    nodes = [
        Node(key=f"s{n}", pool="a", status="queued", depends_on=(f"s{n - 1}",) if n else ())
        for n in range(300)
    ]
    assert graph.stage(nodes, "a") == [node.key for node in nodes]
