"""Whoever changed a cell is noted: exactly where it can be told, and never too few."""

import pytest
from pycrdt import Doc, UndoManager, XmlFragment

from apps.notebooks import writers as looking
from apps.notebooks.document import FRAGMENT
from apps.notebooks.models import CellWriter
from apps.notebooks.projection import project
from apps.organizations.models import Role
from tests.factories import member
from tests.notebooks import hostile, writers
from tests.notebooks.players import MINE, Copy, put
from tests.notebooks.writers import cell_id, prompt_cell, text_cell

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(company):
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def bob(company):
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def book(company):
    made = writers.notebook(
        company.launches,
        company.owner,
        prompt_cell("tagline"),
        prompt_cell("note"),
        text_cell("brief", "A new oat bar"),
    )
    project(made.pk)
    CellWriter.objects.all().delete()
    return made


def types(copy, words, cell="tagline"):
    copy.hear()
    copy.write(lambda: put(*copy.end_of(cell), [(words, None)]))


def wrote(cell="tagline", part="result"):
    rows = CellWriter.objects.filter(cell_id=cell_id(cell), part=part)
    return {row.user: row.last_seq for row in rows}


def test_each_is_noted_with_the_last_update_that_changed_the_cell(book, ann, bob):
    by_ann, by_bob = Copy(book, ann), Copy(book, bob)
    types(by_ann, "one ")  # 2
    types(by_bob, "two ")  # 3
    types(by_ann, "three ", "note")  # 4
    types(by_bob, "four ")  # 5
    project(book.pk)
    assert wrote() == {ann: 2, bob: 5}
    assert wrote("note") == {ann: 4}
    types(by_ann, "five")  # 6
    project(book.pk)
    assert wrote() == {ann: 6, bob: 5}


def test_instructions_and_text_cells_are_known_apart_from_results(book, ann):
    copy = Copy(book, ann)
    cell, _note, brief = copy.fragment.children
    copy.write(lambda: put(cell.children[0].children[0], 0, [("Please: ", None)]))
    copy.write(lambda: put(brief.children[0].children[0], 0, [("Soon: ", None)]))
    project(book.pk)
    assert set(wrote(part="source")) == set(wrote("brief", "source")) == {ann}
    assert wrote() == {}


def test_what_is_to_be_said_counts_as_words_of_the_instruction_and_other_settings_do_not(
    book, ann, bob
):
    writers.set_params(book, bob, "tagline", length="long")  # 2
    writers.set_params(book, ann, "tagline", length="long", required=["oats"])  # 3
    limit = {"unit": "words", "high": 65}
    writers.set_params(book, bob, "tagline", length="short", required=["oats"], limit=limit)  # 4
    project(book.pk)
    assert wrote(part="source") == {ann: 3}
    writers.set_params(book, bob, "tagline", banned=["oats"])  # 5
    project(book.pk)
    assert wrote(part="source") == {ann: 3, bob: 5}
    assert wrote() == {}


def test_too_many_turns_are_everybody_s(book, ann, bob, monkeypatch):
    monkeypatch.setattr(looking, "TURNS_LIMIT", 2)
    by_ann, by_bob = Copy(book, ann), Copy(book, bob)
    types(by_ann, "one ")
    types(by_bob, "two ", "note")
    types(by_ann, "three ")
    project(book.pk)
    assert set(wrote()) == set(wrote("note")) == {ann, bob}


def test_what_waits_for_another_s_update_may_come_into_any_cell(book, ann, bob):
    by_ann, by_bob = Copy(book, ann), Copy(book, bob)
    before = by_ann.doc.get_state()
    with by_ann.doc.transaction():
        put(*by_ann.end_of("tagline"), [("one ", None)])
    by_bob.doc.apply_update(by_ann.doc.get_update(before))  # the server has not heard of it
    vector = by_bob.doc.get_state()
    with by_bob.doc.transaction():
        text, at = by_bob.end_of("tagline")
        put(text, at, [("two ", None)])
    writers.append(book, bob, bytes(by_bob.doc.get_update(vector)))
    project(book.pk)
    assert wrote() == {bob: looking.FOR_GOOD}
    writers.append(book, ann, bytes(by_ann.doc.get_update(before)))
    project(book.pk)
    assert writers.cells(book)["tagline"].text == "one two "
    assert wrote() == {ann: 3, bob: looking.FOR_GOOD}
    types(by_bob, "three")
    project(book.pk)
    assert wrote()[bob] == looking.FOR_GOOD


def test_turns_that_cannot_be_played_alone_are_everybody_s(book, ann, bob):
    by_bob = Copy(book, bob)
    by_bob.doc = Doc(client_id=7)
    by_bob.fragment = by_bob.doc.get(FRAGMENT, type=XmlFragment)
    by_bob.hear()
    by_bob.history = UndoManager(scopes=[by_bob.fragment], capture_timeout_millis=0)
    by_bob.history.include_origin(MINE)
    # Something of Ann's waits below what will be Bob's words, which is no place for it.
    for clock in range(4):
        writers.append(book, ann, hostile.update(9 + clock, 0, hostile.piece((7, clock))))
    types(by_bob, "words")
    project(book.pk)
    assert set(wrote()) == {ann, bob}


def test_nothing_is_noted_where_nobody_wrote(book):
    project(book.pk)
    looking.keep(book.pk, looking.Written())
    assert not CellWriter.objects.exists()
    assert looking.since(book.pk, {(cell_id("tagline"), "result"): -1}) == set()
