"""Out of date means: other inputs than the result was made from. Nothing else, and never less."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.notebooks.chain.staleness import plan_cells, plan_update
from tests.notebooks.chain.cells import any_cells, graph_of, hash_in, key, plain, prompt


def plan(graph, made_from=None, model="model-1"):
    return plan_update(graph, hash_of=hash_in(graph, model), made_from=made_from or {})


def names(graph, steps):
    return [graph.names[step] for step in steps]


def chain(brief="A new oat bar"):
    return graph_of(
        plain("brief", brief),
        prompt("tagline", "brief", text="Oats, honestly", output_id="o1"),
        prompt("post", "tagline", text="Say hello", output_id="o2"),
        prompt("mail", "brief", text="Dear all", output_id="o3"),
    )


def test_everything_is_out_of_date_before_the_first_run():
    graph = chain()
    assert names(graph, plan(graph).steps) == ["tagline", "mail", "post"]


def test_nothing_is_out_of_date_after_a_run():
    graph = chain()
    assert plan(graph, plan(graph).hashes).steps == ()


def test_a_changed_source_makes_what_follows_from_it_out_of_date():
    made = plan(chain()).hashes
    changed = chain(brief="A new rye bar")
    assert names(changed, plan(changed, made).steps) == ["tagline", "mail", "post"]


def test_renaming_makes_nothing_out_of_date():
    made = plan(chain()).hashes
    graph = chain()
    cells = [replace(c, name="claim") if c.name == "tagline" else c for c in graph.cells.values()]
    assert plan(graph_of(*cells), made).steps == ()


def test_white_space_makes_nothing_out_of_date():
    made = plan(chain()).hashes
    assert plan(chain(brief="  A new   oat bar\n\n"), made).steps == ()


def test_another_model_version_makes_everything_out_of_date():
    graph = chain()
    made = plan(graph).hashes
    assert len(plan(graph, made, model="model-2").steps) == 3


def test_readers_of_a_text_that_people_wrote_in_do_not_follow_from_its_step():
    graph = graph_of(
        plain("brief", "x"),
        prompt("tagline", "brief", text="Ours now", output_id=None),
        prompt("post", "tagline", text="Say hello", output_id="o2"),
    )
    made = plan(graph).hashes
    made[key("tagline")] = "made from another brief"
    assert names(graph, plan(graph, made).steps) == ["tagline"]


def test_readers_of_a_choice_keep_reading_the_adopted_variant():
    adopted = prompt("tagline", text="Chosen", output_id="o1", variants=3)
    graph = graph_of(adopted, prompt("post", "tagline", text="Hi", output_id="o2"))
    made = plan(graph).hashes
    made[key("tagline")] = "other"
    assert names(graph, plan(graph, made).steps) == ["tagline"]


def test_readers_get_the_first_variant_while_none_is_adopted():
    undecided = replace(prompt("tagline", variants=3), first_variant="First")
    graph = graph_of(undecided, prompt("post", "tagline"))
    assert graph.cells[key("tagline")].readable == "First"
    made = plan(graph).hashes
    made[key("tagline")] = "other"
    assert names(graph, plan(graph, made).steps) == ["tagline", "post"]


def test_a_cell_in_a_circle_never_runs():
    assert plan(graph_of(prompt("a", "b"), prompt("b", "a"))).steps == ()


EXAMPLES = 300


def stale_iff_hash_differs(cells, data):
    graph = graph_of(*cells)
    now = plan(graph).hashes
    made = {
        one: data.draw(st.sampled_from([value, "other"]), label=graph.names[one])
        for one, value in now.items()
    }
    steps = set(plan(graph, made).steps)
    for one in now:
        moved = {s for s in graph.sources(one) & steps if graph.cells[s].follows_its_run}
        assert (one in steps) == (made[one] != now[one] or bool(moved))


@settings(max_examples=EXAMPLES)
@given(any_cells(), st.data())
def test_out_of_date_is_hash_inequality_or_a_moving_source(cells, data):
    stale_iff_hash_differs(cells, data)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@settings(max_examples=10_000, deadline=None)
@given(any_cells(), st.data())
def test_out_of_date_is_hash_inequality_in_ten_thousand_graphs(cells, data):
    stale_iff_hash_differs(cells, data)


@given(any_cells(), st.data())
def test_a_changed_text_makes_exactly_its_readers_hash_differently(cells, data):
    before = graph_of(*cells)
    changed = data.draw(st.sampled_from(cells)).key
    after = graph_of(
        *(
            replace(cell, text="Other words", output_id=None) if cell.key == changed else cell
            for cell in cells
        )
    )
    old, new = plan(before).hashes, plan(after).hashes
    differs = before.cells[changed].readable != "Other words"
    for one in old:
        assert (old[one] != new[one]) == (differs and changed in before.sources(one))


def test_chosen_cells_run_whether_out_of_date_or_not():
    graph = chain()
    chosen = plan_cells(graph, hash_of=hash_in(graph), cells={key("post"), key("brief")})
    assert names(graph, chosen.steps) == ["post"]
    assert chosen.follows == {key("post")}
