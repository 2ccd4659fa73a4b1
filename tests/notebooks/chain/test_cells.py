"""Cells are read out of real documents; a result is put into one without touching the rest."""

import json
from uuid import UUID, uuid4

import pytest
from pycrdt import Map, merge_updates

from apps.notebooks.chain.cells import (
    ORIGINS,
    NoSuchCell,
    Parameters,
    Result,
    Results,
    as_attributes,
    cells_of,
    replace_result,
    results_of,
)
from apps.notebooks.chain.references import CellKey, Reference, WrittenReference
from apps.notebooks.chain.staleness import stands_untouched
from apps.notebooks.crdt import loaded
from apps.notebooks.document import decode, encode
from inferencecloud.engine import Limit

HERE = UUID(int=7)
BRIEF, TAGLINE = UUID(int=1), UUID(int=2)


def paragraph(*content):
    return {"type": "paragraph", "content": [*content]}


def words(text, *marks):
    return (
        {"type": "text", "text": text, "marks": [*marks]}
        if marks
        else {"type": "text", "text": text}
    )


def chip(cell, **attrs):
    return {"type": "cellReference", "attrs": {"cellId": str(cell), **attrs}}


def prompt_cell(*instruction, result=None, cell=TAGLINE, name="tagline", **params):
    return {
        "type": "promptCell",
        "attrs": {"cellId": str(cell), "name": name, **as_attributes(params)},
        "content": [
            {"type": "cellInstruction", "content": [*instruction]},
            {"type": "cellResult", "content": result or [paragraph()]},
        ],
    }


def document(*blocks):
    return {"type": "doc", "content": [*blocks]}


def brief_cell(text="A new oat bar"):
    return {
        "type": "textCell",
        "attrs": {"cellId": str(BRIEF), "name": "brief"},
        "content": [paragraph(words(text))],
    }


def read(*blocks):
    return cells_of(decode(encode(document(*blocks))), HERE)


def test_cells_come_in_order_with_their_instruction_and_texts():
    brief, tagline = read(
        paragraph(words("Hello")),
        brief_cell(),
        prompt_cell(words("A tag line for "), chip(BRIEF), words(", short. See {{rules}}")),
    )
    assert (brief.kind, brief.name, brief.text) == ("text", "brief", "A new oat bar")
    assert tagline.parts == (
        "A tag line for ",
        Reference(target=CellKey(notebook=HERE, cell=BRIEF)),
        ", short. See ",
        WrittenReference(notebook="", cell="rules"),
    )


def test_a_chip_may_lead_to_a_released_cell_of_another_notebook():
    other = uuid4()
    (cell,) = read(prompt_cell(chip(BRIEF, notebookId=str(other), mode="released")))
    target = CellKey(notebook=other, cell=BRIEF)
    assert cell.parts == (Reference(target=target, mode="released"),)


def test_a_pasted_copy_of_a_cell_is_left_out():
    assert len(read(brief_cell("first"), brief_cell("second"))) == 1


def test_a_cell_without_a_valid_id_is_left_out():
    assert read({"type": "textCell", "attrs": {"cellId": "x"}, "content": [paragraph()]}) == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", Parameters()),
        ("not json", Parameters()),
        ("[1]", Parameters()),
        (
            '{"length": "epic", "variants": 99, "adventurous": -3}',
            Parameters(variants=4, adventurous=0),
        ),
        ('{"length": "long", "variants": true}', Parameters(length="long")),
        (
            '{"required": [" snooze\\n button", "Snooze Button", "", 7, null, ["a"]], "banned": "a"}',
            Parameters(required=("snooze button",)),
        ),
        (
            json.dumps(
                {"banned": ["y" * 81, "x" * 80, "a\0b", "half \ud83d", "\t"], "required": {"a": 1}}
            ),
            Parameters(banned=("x" * 80,)),
        ),
        ('{"length": [], "limit": {"unit": [], "high": 1}}', Parameters()),
        (
            '{"limit": {"unit": "words", "high": 65}}',
            Parameters(limit=Limit(unit="words", high=65)),
        ),
    ],
)
def test_parameters_that_make_no_sense_become_the_default(written, expected):
    assert Parameters.of_cell({"params": written}) == expected


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({}, Parameters()),
        ({"length": '"long"', "variants": "3"}, Parameters(length="long", variants=3)),
        ({"length": "long", "variants": None, "adventurous": ""}, Parameters()),
        (
            {"params": '{"length": "long", "variants": 3}', "length": '"short"'},
            Parameters(length="short", variants=3),
        ),
        (
            {"params": '{"banned": ["a"], "required": ["b"]}', "banned": "[]"},
            Parameters(required=("b",)),
        ),
        ({"params": '{"limit": {"unit": "words", "high": 65}}', "limit": "null"}, Parameters()),
        (
            {"required": ["no", "JSON"], "variant_limit": "9", "params": '{"variant_limit": 9}'},
            Parameters(),
        ),
    ],
)
def test_a_setting_of_its_own_counts_before_those_that_are_kept_together(attrs, expected):
    assert Parameters.of_cell(attrs) == expected


def test_no_more_phrases_are_kept_than_a_person_can_mean():
    phrases = [f"phrase {number}" for number in range(25)]
    assert Parameters.parse({"required": phrases}).required == tuple(phrases[:20])


def test_phrases_enter_hashes_only_where_there_are_some():
    plain = {"length": "medium", "adventurous": 2, "variants": 1}
    assert Parameters.parse({"required": [], "banned": [" "]}).as_json() == plain
    (cell,) = read(prompt_cell(required=["$85.99"], banned=["premium", "Premium"]))
    assert cell.params == {**plain, "required": ["$85.99"], "banned": ["premium"]}


def test_a_limit_enters_hashes_only_where_there_is_one():
    plain = {"length": "medium", "adventurous": 2, "variants": 1}
    assert Parameters.parse({"limit": {"unit": "characters", "high": 0}}).as_json() == plain
    limit = {"unit": "characters", "high": 280}
    (cell,) = read(prompt_cell(limit={**limit, "low": 7}))
    assert cell.params == {**plain, "limit": limit}


def put(state, text="Oats, honestly\n\nNothing else", output="o-1"):
    content = Result(text=text, output_id=output, variant=0).content()
    return merge_updates(state, replace_result(state, TAGLINE, content))


def test_a_result_enters_as_paragraphs_under_the_outputs_mark():
    (cell,) = cells_of(decode(put(encode(document(prompt_cell(words("Write")))))), HERE)
    assert cell.text == "Oats, honestly\nNothing else"
    assert cell.output_id == "o-1"
    assert stands_untouched(cell.text, "Oats, honestly\n\nNothing else")


def test_a_result_replaces_the_one_before_and_nothing_else():
    state = put(encode(document(brief_cell(), prompt_cell(words("Write")))))
    after = put(state, "Rye, honestly", "o-2")
    brief, tagline = cells_of(decode(after), HERE)
    assert (brief.text, tagline.text, tagline.output_id) == (
        "A new oat bar",
        "Rye, honestly",
        "o-2",
    )


def test_text_that_a_person_added_makes_a_result_theirs():
    mark = {"type": "output", "attrs": {"outputId": "o-1", "variant": 0}}
    (cell,) = read(prompt_cell(result=[paragraph(words("Oats", mark), words(", really"))]))
    assert cell.output_id is None


def test_bold_on_a_model_text_makes_it_a_persons():
    mark = {"type": "output", "attrs": {"outputId": "o-1", "variant": 0}}
    both = [words("Oats", mark), words("!", mark, {"type": "bold"})]
    (cell,) = read(prompt_cell(result=[paragraph(*both)]))
    assert cell.output_id is None


def test_words_taken_away_show_beside_the_outputs_text():
    assert not stands_untouched("Oats", "Oats, honestly")


def test_what_people_typed_meanwhile_merges_with_a_result():
    base = encode(document(brief_cell("A"), prompt_cell(words("Write"))))
    by_model = replace_result(base, TAGLINE, Result(text="T", output_id="o", variant=0).content())
    by_other = replace_result(base, TAGLINE, [paragraph(words("Human"))])
    (_, cell) = cells_of(decode(merge_updates(base, by_model, by_other)), HERE)
    assert "T" in cell.text
    assert "Human" in cell.text
    assert cell.output_id is None


def test_a_result_for_a_cell_that_is_gone_is_refused():
    state = encode(document(brief_cell()))
    with pytest.raises(NoSuchCell, match="without it"):
        replace_result(state, TAGLINE, [])
    assert TAGLINE not in results_of(decode(state))


def test_results_of_several_cells_enter_together_each_with_an_id_of_its_own():
    cells = [prompt_cell(words("Write"), cell=UUID(int=number)) for number in (10, 11, 12)]
    state = encode(document(brief_cell(), {"type": "blockquote", "content": cells}))
    results = Results(state)
    updates = []
    for number in (12, 10):
        result = Result(text=f"Text {number}", output_id=f"o-{number}", variant=0)
        updates.append(results.replace(UUID(int=number), result.content(), of=result))
    after = merge_updates(state, *updates)
    assert [cell.text for cell in cells_of(decode(after), HERE)[1:]] == ["Text 10", "", "Text 12"]
    origins = loaded(after).get(ORIGINS, type=Map).to_py()
    notes = {key: note[1] for key, note in origins.items() if key.endswith(".0")}
    assert sorted(notes.values()) == ["o-10", "o-12"]
    assert len(notes) == 2


def test_the_blocks_of_a_result_can_be_put_back():
    state = encode(document(prompt_cell(words("Write"), result=[paragraph(words("Mine"))])))
    kept = results_of(decode(state))[TAGLINE]
    after = put(state)
    back = merge_updates(after, replace_result(after, TAGLINE, kept))
    assert cells_of(decode(back), HERE)[0].text == "Mine"
