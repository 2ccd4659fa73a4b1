"""References are names and nothing else; names stay distinct."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.notebooks.chain.references import (
    NAME,
    CellKey,
    WrittenReference,
    as_name,
    distinct_names,
    split,
)


def test_text_is_cut_at_its_references():
    assert split("Write for {{brief}} and {{ launch-2027/tagline@released }}.") == [
        "Write for ",
        WrittenReference(notebook="", cell="brief"),
        " and ",
        WrittenReference(notebook="launch-2027", cell="tagline", mode="released"),
        ".",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{{brief.__class__}}",
        "{{ 7*7 }}",
        "{% include 'x' %}",
        "{{brief|upper}}",
        "{{}}",
        "{{a/b/c}}",
        "{{../brief}}",
        "{ {brief} }",
        "{{BRIEF}}",
        "{{brief@latest}}",
        "${brief}",
        "{{''.format}}",
    ],
)
def test_what_is_not_exactly_a_reference_stays_text(text):
    assert split(text) == [text]


@given(st.text(alphabet="{}ab/@released|. \n", max_size=60))
def test_cutting_loses_no_character_of_the_text(text):
    kept = "".join(part for part in split(text) if isinstance(part, str))
    named = sum(isinstance(part, WrittenReference) for part in split(text))
    assert len(kept) <= len(text)
    assert named or kept == text


@given(st.lists(st.text(max_size=50), max_size=12))
def test_names_are_valid_distinct_and_stable(wishes):
    names = distinct_names(wishes)
    assert len(set(names)) == len(names) == len(wishes)
    assert all(NAME.fullmatch(name) for name in names)
    assert distinct_names(names) == names


def test_the_later_of_two_equal_names_gets_a_suffix():
    assert distinct_names(["tagline", "tagline", "tagline_2"]) == [
        "tagline",
        "tagline_3",
        "tagline_2",
    ]


def test_a_typed_name_becomes_the_nearest_valid_one():
    assert as_name("Tag line 2") == "tag_line_2"
    assert as_name("2027") == "cell_2027"
    assert as_name("Überschrift!") == "berschrift"


def test_a_key_survives_its_spelling_and_refuses_others():
    key = CellKey(notebook=uuid4(), cell=uuid4())
    assert CellKey.parse(str(key)) == key
    with pytest.raises(ValueError, match="badly formed"):
        CellKey.parse("nothing:here")
