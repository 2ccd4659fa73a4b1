"""The chain over HTTP: who may, what makes no sense, and that nothing of another notebook is reached."""

import uuid

import pytest

from apps.inference.models import Run
from apps.notebooks.models import CellOutput, Release
from apps.organizations.models import Role
from apps.organizations.policy import Level
from tests.factories import company as new_company
from tests.factories import member
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.writers import cell_id, chip, prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)
JSON = {"Accept": "application/json"}


@pytest.fixture
def editor(company):
    deployment()
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def book(company, editor):
    """A written chain with a proposal beside a person's words."""
    made = writers.notebook(
        company.launches,
        editor,
        text_cell("brief", "A new oat bar"),
        prompt_cell("tagline", chip("brief")),
        prompt_cell("post", chip("tagline")),
    )
    writers.write(made, editor)
    writers.type_result(made, editor, "tagline", "Our own words")
    writers.write(made, editor, "tagline")
    return made


@pytest.fixture
def output():
    """Return the id of the output that waits."""
    return lambda: CellOutput.objects.get(status="waiting").output_id


def paths(book, output):
    """Return every endpoint by name: method, path, data, and the level that it needs."""
    base, tagline = f"/n/{book.pk}/chain/", cell_id("tagline")
    return {
        "state": ("get", base, {}, Level.VIEW),
        "graph": ("get", f"{base}graph/", {}, Level.VIEW),
        "source": ("get", f"{base}source/", {"cell": str(cell_id("brief"))}, Level.VIEW),
        "pick": ("get", f"{base}pick/", {"q": "tag"}, Level.EDIT),
        "run": ("post", f"{base}run/", {"key": "key-of-this-test"}, Level.RUN),
        "stop": ("post", f"{base}stop/", {}, Level.RUN),
        "release": ("post", f"{base}cells/{tagline}/release/", {}, Level.EDIT),
        "dismiss": ("post", f"{base}outputs/{output}/dismiss/", {}, Level.EDIT),
        "adopt": ("post", f"{base}outputs/{output}/adopt/", {}, Level.EDIT),
        "back": ("post", f"{base}cells/{tagline}/back/", {}, Level.EDIT),
    }


def ask(client, path, **changed):
    method, url, data, _need = path
    return getattr(client, method)(url, {**data, **changed}, headers=JSON)


def people(company):
    """Return those who look, with the level that they have in the notebook."""
    return [
        (member(company.launches, Role.VIEWER), Level.VIEW),
        (member(company.launches, Role.COMMENTER), Level.COMMENT),
        (member(company.launches, Role.APPROVER), Level.SUGGEST),
        (member(company.retail, Role.EDITOR), Level.NONE),
        (new_company("Elsewhere").owner, Level.NONE),
    ]


def test_every_endpoint_is_closed_to_who_may_not(book, company, output, signed_in):
    for user, level in people(company):
        client = signed_in(user)
        for name, path in paths(book, output()).items():
            expected = 200 if level >= path[3] else 404
            assert ask(client, path).status_code == expected, (name, level)
    assert CellOutput.objects.filter(status="waiting").count() == 1
    assert Release.objects.count() == 0


def test_an_editor_is_let_into_all_of_them(book, editor, output, signed_in):
    client, waiting = signed_in(editor), output()
    for name, path in paths(book, waiting).items():
        answer = ask(client, path)
        assert answer.status_code == 200, (name, answer.text)


def test_who_is_not_signed_in_is_led_to_sign_in(book, output, client):
    for name, path in paths(book, output()).items():
        assert ask(client, path).status_code == 302, name


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"key": ""}, "required"),
        ({"key": "x" * 65}, "valid value"),
        ({"key": "a-good-key", "cells": "not-an-id"}, "cell"),
        ({"key": "short"}, "valid value"),
    ],
)
def test_a_run_of_nonsense_is_refused_in_words(book, editor, signed_in, data, words):
    before = Run.objects.count()
    answer = signed_in(editor).post(f"/n/{book.pk}/chain/run/", data, headers=JSON)
    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert Run.objects.count() == before


@pytest.mark.parametrize("cell", [uuid.uuid4(), cell_id("brief")])
def test_what_is_no_prompt_cell_here_cannot_run(book, editor, signed_in, cell):
    data = {"key": "a-good-key", "cells": str(cell)}
    answer = signed_in(editor).post(f"/n/{book.pk}/chain/run/", data, headers=JSON)
    assert answer.status_code == 409
    assert "cannot be written" in answer.json()["error"]


def test_a_source_of_nonsense_is_not_there(book, editor, signed_in):
    client = signed_in(editor)
    for query in ({}, {"cell": "x"}, {"cell": str(uuid.uuid4()), "notebook": "x"}):
        assert client.get(f"/n/{book.pk}/chain/source/", query).status_code == 404


def test_a_source_says_its_text_or_why_there_is_none(book, editor, signed_in):
    client = signed_in(editor)
    path = f"/n/{book.pk}/chain/source/"
    found = client.get(path, {"cell": str(cell_id("brief"))}).json()
    assert found == {"label": "brief", "text": "A new oat bar"}
    missing = client.get(path, {"cell": str(uuid.uuid4())}).json()
    assert missing["problem"] == "missing"
    assert missing["words"]


def test_outputs_and_cells_of_another_notebook_are_not_there(
    book, company, editor, output, signed_in
):
    other = writers.notebook(company.launches, editor, prompt_cell("elsewhere"), title="Other")
    client = signed_in(editor)
    base = f"/n/{other.pk}/chain/"
    for path in (
        f"{base}outputs/{output()}/adopt/",
        f"{base}outputs/{output()}/dismiss/",
        f"{base}cells/{cell_id('tagline')}/release/",
    ):
        assert client.post(path, headers=JSON).status_code == 404, path
    back = client.post(f"{base}cells/{cell_id('tagline')}/back/", headers=JSON)
    assert back.status_code == 409
    run = client.post(
        f"{base}run/", {"key": "key-elsewhere", "cells": str(cell_id("tagline"))}, headers=JSON
    )
    assert run.status_code == 409
    assert writers.cells(book)["tagline"].text == "Our own words"


def test_a_notebook_in_the_trash_takes_no_text(book, editor, output, signed_in):
    from apps.notebooks.services.notebooks import trash_notebook

    waiting = output()
    trash_notebook(notebook=book, by=editor)
    client = signed_in(editor)
    for name in ("run", "adopt", "release"):
        answer = ask(client, paths(book, waiting)[name])
        assert (answer.status_code, "trash" in answer.text) == (409, True), (name, answer.text)
    assert writers.cells(book)["tagline"].text == "Our own words"


def test_the_graph_draws_every_cell_and_leads_to_it(book, editor, signed_in):
    page = signed_in(editor).get(f"/n/{book.pk}/chain/graph/").text
    for name in ("brief", "tagline", "post"):
        assert f'href="#cell-{cell_id(name)}"' in page
    assert "<title>brief: Text</title>" in page
    assert "<title>post: Out of date</title>" in page


def test_names_in_the_graph_are_only_text(company, editor, signed_in):
    book = writers.notebook(company.launches, editor, text_cell("<b>x</b>", "y"))
    assert "<b>" not in signed_in(editor).get(f"/n/{book.pk}/chain/graph/").text
