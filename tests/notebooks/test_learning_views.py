"""Thumbs, downloads and the two switches over HTTP."""

import pytest

from apps.learning import selectors
from apps.learning.models import Feedback
from apps.notebooks.models import Cell, CellOutput
from apps.notebooks.services import ai_switch
from apps.notebooks.services.sharing import share_with_person
from apps.organizations.models import AuditEvent, Role
from apps.organizations.policy import Level
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
def viewer(company):
    return member(company.launches, Role.VIEWER)


@pytest.fixture
def book(company, editor):
    made = writers.notebook(
        company.launches,
        editor,
        text_cell("brief", "A new oat bar"),
        prompt_cell("tagline", chip("brief")),
    )
    writers.write(made, editor)
    return made


@pytest.fixture
def output(book):
    return CellOutput.objects.get(notebook=book).output_id


def verdict(client, book):
    cells = client.get(f"/n/{book.pk}/chain/").json()["cells"]
    return {cell["name"]: cell.get("verdict") for cell in cells}["tagline"]


def give(client, book, output, kind, *reasons):
    data = {"kind": kind, "reasons": reasons}
    return client.post(f"/n/{book.pk}/chain/outputs/{output}/thumb/", data, headers=JSON)


def test_a_reader_s_verdict_is_kept_and_shown_to_the_reader_alone(
    signed_in, book, output, viewer, editor
):
    client = signed_in(viewer)
    assert verdict(client, book) == {"output": str(output), "kind": "", "reasons": []}
    answer = give(client, book, output, "thumbs_down", "voice", "facts")
    assert answer.json() == {"kind": "thumbs_down", "reasons": ["facts", "voice"]}
    assert verdict(client, book)["kind"] == "thumbs_down"
    assert verdict(signed_in(editor), book)["kind"] == ""


def test_a_verdict_is_changed_and_taken_back(signed_in, book, output, editor):
    client = signed_in(editor)
    give(client, book, output, "thumbs_down", "voice")
    assert give(client, book, output, "thumbs_up").json() == {"kind": "thumbs_up", "reasons": []}
    assert give(client, book, output, "").json() == {"kind": "", "reasons": []}
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(("kind", "reason"), [("great", ""), ("thumbs_down", "ugly")])
def test_what_is_no_verdict_is_refused(signed_in, book, output, editor, kind, reason):
    answer = give(signed_in(editor), book, output, kind, reason)
    assert answer.status_code == 422
    assert not Feedback.objects.exists()


def test_another_notebook_s_output_is_not_there(signed_in, book, output, company, editor):
    other = writers.notebook(company.launches, editor, prompt_cell("tagline"), title="Other")
    assert give(signed_in(editor), other, output, "thumbs_up").status_code == 404


def test_where_models_are_switched_off_there_are_no_verdicts(signed_in, book, output, editor):
    ai_switch.switch_self(user=editor, on=False)
    client = signed_in(editor)
    assert verdict(client, book) is None
    assert give(client, book, output, "thumbs_up").status_code == 409


def test_a_text_cell_and_one_never_written_have_no_verdict(signed_in, company, editor):
    book = writers.notebook(
        company.launches, editor, text_cell("brief", "A bar"), prompt_cell("tagline")
    )
    assert verdict(signed_in(editor), book) is None


def test_a_download_is_noted(signed_in, book, viewer):
    answer = signed_in(viewer).post(f"/n/{book.pk}/downloaded/")
    assert answer.status_code == 204
    assert AuditEvent.objects.get(verb="notebook.downloaded").actor == viewer
    due = Cell.objects.get(cell_id=cell_id("tagline"))
    assert due.settle_due == "downloaded"
    assert Cell.objects.get(cell_id=cell_id("brief")).settle_due == ""


def test_the_notebook_s_switch_is_in_its_menu_for_who_manages_it(signed_in, book, editor):
    page = signed_in(editor).get(f"/n/{book.pk}/").content.decode()
    assert "Do not learn from this notebook" in page
    assert 'aria-checked="false"' in page


def test_who_may_not_manage_sees_how_it_stands_once_it_is_on(signed_in, book, viewer, editor):
    client = signed_in(viewer)
    page = client.get(f"/n/{book.pk}/").content.decode()
    assert "earn from" not in page
    assert "earned from" not in page
    signed_in(editor).post(f"/n/{book.pk}/learning/")
    page = client.get(f"/n/{book.pk}/").content.decode()
    assert "Nothing is learned from this notebook" in page
    assert "Do not learn from this notebook" not in page
    assert client.post(f"/n/{book.pk}/learning/", {"learn": "on"}).status_code == 404


def test_the_notebook_s_switch_answers_with_itself_or_leads_back(signed_in, book, editor):
    client = signed_in(editor)
    answer = client.post(f"/n/{book.pk}/learning/", headers={"HX-Request": "true"})
    assert 'aria-checked="true"' in answer.content.decode()
    assert not selectors.may_learn_from_notebook(book.pk)
    answer = client.post(f"/n/{book.pk}/learning/", {"learn": "on"})
    assert answer.url == f"/n/{book.pk}/"
    assert selectors.may_learn_from_notebook(book.pk)


def test_a_person_with_a_share_to_manage_may_turn_it(signed_in, book, viewer, editor):
    share_with_person(notebook=book, by=editor, person=viewer, level=Level.MANAGE)
    signed_in(viewer).post(f"/n/{book.pk}/learning/")
    assert not selectors.may_learn_from_notebook(book.pk)


def test_a_person_turns_the_switch_of_their_own(signed_in, editor):
    client = signed_in(editor)
    assert (
        "What you write may be learned from" in client.get("/settings/learning/").content.decode()
    )
    page = client.post("/settings/learning/", follow=True).content.decode()
    assert "Nothing is learned from what you write" in page
    assert not selectors.may_learn_from_person(editor)
    page = client.post("/settings/learning/", {"learn": "on"}, follow=True).content.decode()
    assert "What you write may be learned from" in page
    assert selectors.may_learn_from_person(editor)


def test_the_state_of_the_chain_costs_two_more_queries_however_many_cells(
    signed_in, company, editor, django_assert_max_num_queries
):
    book = writers.notebook(
        company.launches, editor, *(prompt_cell(f"cell_{number}") for number in range(8))
    )
    writers.write(book, editor)
    client = signed_in(editor)
    client.get(f"/n/{book.pk}/chain/")
    with django_assert_max_num_queries(45):
        client.get(f"/n/{book.pk}/chain/")
