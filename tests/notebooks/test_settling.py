"""Cells settle when they are released, downloaded or left alone; there is one record for each output."""

import logging
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.core.errors import DomainError
from apps.inference.models import Output
from apps.learning import selectors as learning
from apps.learning.models import EditRecord, Feedback
from apps.notebooks import execution, settling
from apps.notebooks.models import Cell, CellOutput, CellWriter, Document
from apps.notebooks.projection import project
from apps.notebooks.services import adoption, chain
from apps.notebooks.services import settling as requests
from apps.notebooks.services.notebooks import duplicate_notebook, trash_notebook
from apps.organizations.models import AuditEvent, Role
from tests.factories import member
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.writers import cell_id, chip, prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def editor(company):
    deployment()
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def colleague(company):
    return member(company.brand, Role.EDITOR)


@pytest.fixture
def book(company, editor):
    return writers.notebook(
        company.launches,
        editor,
        text_cell("brief", "A new oat bar"),
        prompt_cell("tagline", chip("brief")),
        prompt_cell("post", chip("tagline")),
    )


def age(**more):
    """Let a day pass for every cell."""
    Cell.objects.update(changed_at=timezone.now() - timedelta(days=1, minutes=1), **more)


def the_record(name="tagline"):
    return EditRecord.objects.filter(cell_name=name).latest("settled_at")


def people(record):
    return {one.user for one in record.editors.all()}


def test_a_released_cell_settles_at_once_and_alone(book, editor):
    writers.write(book, editor)
    chain.release(access=writers.access(book, editor), by=editor, cell=cell_id("tagline"))
    record = EditRecord.objects.get()
    output = Output.objects.get(pk=record.output_id)
    assert record.settle == "released"
    assert record.final_text == output.text
    assert (record.distance, record.kept_ratio) == (0, 1)
    assert people(record) == set()
    assert (record.notebook_id, record.cell_id) == (book.pk, cell_id("tagline"))
    assert (record.notebook_title, record.workspace) == ("Launch", book.workspace)


def test_a_downloaded_notebook_settles_all_its_cells(book, editor, company):
    writers.write(book, editor)
    viewer = member(company.launches, Role.VIEWER)
    requests.note_download(access=writers.access(book, viewer), by=viewer)
    assert AuditEvent.objects.get(verb="notebook.downloaded").actor == viewer
    execution.settle(book.pk)
    assert set(EditRecord.objects.values_list("cell_name", "settle")) == {
        ("tagline", "downloaded"),
        ("post", "downloaded"),
    }
    assert execution.settle(book.pk) == 0


def test_a_download_that_no_worker_heard_of_is_found_by_the_pass(book, editor, monkeypatch):
    def fail(**_arguments):
        raise OSError("no broker")

    writers.write(book, editor)
    monkeypatch.setattr("apps.notebooks.tasks.settle.delay", fail)
    requests.note_download(access=writers.access(book, editor), by=editor)
    assert execution.settle_due() == 2
    assert execution.settle_due() == 0


def test_a_cell_settles_after_a_day_and_not_before(book, editor):
    writers.write(book, editor)
    project(book.pk)
    assert execution.settle_due() == 0
    age()
    assert execution.settle_due() == 2
    assert the_record().settle == "idle"
    assert execution.settle_due() == 0
    assert EditRecord.objects.count() == 2


def test_a_cell_that_changes_again_settles_again(book, editor):
    writers.write(book, editor)
    project(book.pk)
    age()
    execution.settle_due()
    writers.type_result(book, editor, "tagline", "Our own words")
    project(book.pk)
    assert execution.settle_due() == 0
    age()
    assert execution.settle_due() == 1
    record = the_record()
    assert (record.final_text, record.kept_chars) == ("Our own words", 0)
    assert people(record) == {editor}


def test_a_pass_takes_so_many_cells_and_the_next_one_the_rest(book, editor, monkeypatch):
    writers.write(book, editor)
    project(book.pk)
    age()
    monkeypatch.setattr(settling, "PER_PASS", 1)
    assert [execution.settle_due() for _ in range(3)] == [1, 1, 0]


def test_cells_that_no_worker_has_read_are_read_first(book, editor):
    writers.write(book, editor)
    assert Document.objects.get().chain_seq < Document.objects.get().last_seq
    type(book).objects.update(edited_at=timezone.now() - timedelta(minutes=2))
    execution.settle_due()
    assert Document.objects.get().chain_seq == Document.objects.get().last_seq


def test_what_lies_in_the_trash_does_not_settle(book, editor):
    writers.write(book, editor)
    project(book.pk)
    trash_notebook(notebook=book, by=editor)
    age()
    assert execution.settle_due() == 0


def test_a_cell_without_anything_of_a_model_makes_no_record(book, editor):
    writers.type_result(book, editor, "tagline", "Written by hand")
    project(book.pk)
    age()
    assert execution.settle_due() == 0
    assert not EditRecord.objects.exists()


def test_an_emptied_result_is_a_record_of_nothing_kept(book, editor):
    writers.write(book, editor, "tagline")
    writers.type_result(book, editor, "tagline", "")
    project(book.pk)
    age()
    assert execution.settle_due() == 1
    record = the_record()
    assert (record.final_text, record.kept_chars, record.distance) == ("", 0, 1)


def test_a_document_that_cannot_be_read_does_not_stand_in_the_way(
    book, editor, company, monkeypatch, caplog
):
    other = writers.notebook(company.launches, editor, prompt_cell("slogan"), title="Other")
    for one in (book, other):
        writers.write(one, editor)
        project(one.pk)
    age()
    real = settling.settle_cells

    def settle_cells(*, notebook, cells, settle):
        if notebook == book:
            raise DomainError("unreadable")
        return real(notebook=notebook, cells=cells, settle=settle)

    monkeypatch.setattr(settling, "settle_cells", settle_cells)
    with caplog.at_level(logging.ERROR):
        assert execution.settle_due() == 1
    assert str(book.pk) in caplog.text
    assert execution.settle_due() == 0  # tomorrow again


def test_everybody_who_changed_the_text_since_it_was_adopted_is_an_editor(book, editor, colleague):
    writers.write(book, editor)
    writers.type_result(book, colleague, "tagline", "Words of a colleague")
    project(book.pk)
    age()
    execution.settle_due()
    assert people(the_record()) == {colleague}
    assert people(the_record("post")) == set()


def test_who_wrote_before_the_adoption_is_none(book, editor, colleague):
    writers.type_result(book, colleague, "tagline", "First thoughts")
    writers.write(book, editor, "tagline")
    waiting = CellOutput.objects.get(status="waiting")
    adoption.adopt(access=writers.access(book, editor), by=editor, output=waiting.output_id)
    project(book.pk)
    age()
    execution.settle_due()
    assert people(the_record()) == set()


def test_the_record_knows_whose_words_the_model_read(book, editor, colleague):
    from tests.notebooks.test_chain import change_brief

    change_brief(book, colleague, "A rye bar")
    writers.write(book, editor)
    project(book.pk)
    age()
    execution.settle_due()
    wrote = {one.user for one in the_record().prompt_writers.all()}
    assert wrote == {editor, colleague}  # who made the notebook, and who changed its brief
    assert learning.learnable(EditRecord.objects.all())
    from apps.learning.services import consent

    consent.switch_person(user=colleague, learn=False)
    refused = learning.refusals(list(EditRecord.objects.all()))
    assert refused[the_record().pk] == learning.Refusal.PERSON


def test_a_copied_notebook_settles_with_the_output_s_own_notebook_behind_it(
    book, editor, colleague
):
    from apps.learning.services import consent

    writers.write(book, editor)
    writers.type_result(book, colleague, "post", "Ours")
    copy = duplicate_notebook(notebook=book, by=editor, workspace=book.workspace)
    project(book.pk)
    project(copy.pk)
    age()
    execution.settle_due()
    (record,) = EditRecord.objects.filter(notebook_id=copy.pk, cell_name="tagline")
    assert record.kept_ratio == 1
    consent.switch_notebook(
        notebook_id=book.pk,
        organization=book.organization,
        by=editor,
        learn=False,
        about=book,
    )
    assert learning.refusals([record]) == {record.pk: learning.Refusal.UPSTREAM}


def test_a_mark_that_names_no_output_of_ours_makes_no_record(book, editor, company):
    from apps.notebooks.chain.cells import Result, replace_result

    for made_up in ("no-uuid", str(cell_id("nothing"))):
        result = Result(text="Hello", output_id=made_up, variant=0)
        content = replace_result(
            writers.state_of(book), cell_id("tagline"), result.content(), of=result
        )
        writers.append(book, editor, content)
        project(book.pk)
        age(settled_sha256=None)
        assert execution.settle_due() == 0


def test_a_person_s_adoption_is_feedback_on_all_variants(company, editor):
    book = writers.notebook(company.launches, editor, prompt_cell("tagline", variants=3))
    writers.write(book, editor)
    first, second, third = CellOutput.objects.order_by("variant")
    access = writers.access(book, editor)
    chain.dismiss(access=access, by=editor, output=third.output_id)
    adoption.adopt(access=access, by=editor, output=second.output_id)
    assert set(Feedback.objects.values_list("kind", "output", "over")) == {
        ("dismiss", third.output_id, None),
        ("accept", second.output_id, None),
        ("choose_over", second.output_id, first.output_id),
    }


def test_what_is_adopted_by_itself_is_nobody_s_feedback(book, editor):
    writers.write(book, editor)
    assert not Feedback.objects.exists()


def test_asking_for_another_text_is_feedback_unless_the_text_was_out_of_date(book, editor):
    from tests.notebooks.test_chain import change_brief

    writers.write(book, editor, "tagline")
    first = CellOutput.objects.get()
    change_brief(book, editor, "A rye bar")
    writers.write(book, editor, "tagline")
    assert not Feedback.objects.exists()
    second = CellOutput.objects.latest("created_at")
    assert first != second
    writers.write(book, editor, "tagline")
    said = Feedback.objects.get()
    assert (said.kind, said.output_id, said.user) == ("regenerate", second.output_id, editor)


def test_who_wrote_where_survives_compaction(book, editor, colleague, monkeypatch):
    monkeypatch.setattr(execution, "KEEP_ROWS", 0)
    writers.write(book, editor)
    writers.type_result(book, colleague, "tagline", "Words of a colleague")
    writers.type_result(book, editor, "post", "Mine")
    assert execution.compact(book.pk)
    wrote = CellWriter.objects.filter(part="result").values_list("cell_id", "user")
    assert set(wrote) == {(cell_id("tagline"), colleague.pk), (cell_id("post"), editor.pk)}


def test_what_was_compacted_unread_is_everybody_s(book, editor, colleague, monkeypatch):
    monkeypatch.setattr(execution, "KEEP_ROWS", 0)
    monkeypatch.setattr(execution, "project", lambda _notebook: None)
    writers.write(book, editor)
    writers.type_result(book, colleague, "tagline", "Words of a colleague")
    writers.type_result(book, editor, "post", "Mine")
    assert execution.compact(book.pk)
    project(book.pk)
    wrote = CellWriter.objects.filter(part="result", cell_id=cell_id("tagline"))
    assert set(wrote.values_list("user", flat=True)) == {editor.pk, colleague.pk}
