"""Kept characters and editors of two hundred histories are what a reader works out by hand."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.inference.specs import normal
from apps.learning.models import EditRecord
from apps.notebooks import execution
from apps.notebooks.models import Cell
from apps.notebooks.projection import project
from apps.organizations.models import Role
from tests.factories import member
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.histories import WORDINGS, History, all_histories
from tests.notebooks.players import Game
from tests.notebooks.writers import paragraph, prompt_cell

HISTORIES = all_histories()


@pytest.fixture
def people(company):
    deployment()
    return {name: member(company.brand, Role.EDITOR) for name in ("Ann", "Bob")}


def played(company, people, history: History, *, reads: bool) -> dict[str, list[EditRecord]]:
    """Play the history, let a day pass, and return the records of each cell."""
    book = writers.notebook(
        company.launches,
        company.owner,
        prompt_cell("tagline"),
        prompt_cell("note"),
        paragraph(),
    )
    project(book.pk)
    game = Game(book, people, reads=reads)
    game.play(f"model writes A: {history.output}")
    for step in history.steps:
        game.play(step)
    project(book.pk)
    Cell.objects.update(changed_at=timezone.now() - timedelta(days=2))
    execution.settle_due()
    names = {output.pk: name for name, output in game.outputs.items()}
    found: dict[str, dict[str, EditRecord]] = {}
    for record in EditRecord.objects.filter(notebook_id=book.pk):
        found.setdefault(record.cell_name, {})[names[record.output_id]] = record
    return found


def seen(records, people):
    """Return kept characters and editors by cell."""
    known = {user.pk: name for name, user in people.items()}
    return {
        cell: (
            {name: record.kept_chars for name, record in by_output.items()},
            {known[one.user_id] for record in by_output.values() for one in record.editors.all()},
        )
        for cell, by_output in records.items()
    }


def test_there_are_two_hundred_of_them():
    assert len(HISTORIES) == 200
    assert len({history.title for history in HISTORIES}) == 200


@pytest.mark.parametrize("wording", WORDINGS)
def test_the_wordings_stand_in_a_document_as_they_are_written(wording):
    pieces = WORDINGS[wording]
    whole = "".join(pieces)
    assert normal(whole) == whole
    assert all(whole.count(piece) == 1 for piece in pieces)


@pytest.mark.django_db
@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.title)
def test_what_is_kept_and_who_edited_is_exact(company, people, history):
    records = played(company, people, history, reads=True)
    wanted = {
        cell: ({name: len(text) for name, text in one.kept.items()}, set(one.people))
        for cell, one in history.cells.items()
    }
    assert seen(records, people) == wanted
    for by_output in records.values():
        for name, record in by_output.items():
            if name == "A":
                assert record.output_chars == len(history.output)


@pytest.mark.django_db
@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.title)
def test_it_is_the_same_when_nobody_read_the_cells_meanwhile(company, people, history):
    records = played(company, people, history, reads=False)
    kept, editors = seen(records, people)["tagline"]
    assert kept == {name: len(text) for name, text in history.cells["tagline"].kept.items()}
    assert editors == set(history.people_in_one_go)
