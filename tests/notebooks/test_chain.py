"""Update writes what is out of date, never over a person, and only what the runner may read."""

import uuid

import pytest

from apps.core.errors import NotVisible
from apps.inference import execution, outbox
from apps.inference.models import Output, Run, StepRun
from apps.notebooks import ai, chain_page, outside, sources
from apps.notebooks.chain.references import CellKey, Reference
from apps.notebooks.models import Cell, CellOutput, Document, DocUpdate
from apps.notebooks.projection import project
from apps.notebooks.services import adoption, chain
from apps.notebooks.services.notebooks import trash_notebook
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
def book(company, editor):
    """A brief, and three cells that follow from it, one of them through another."""
    return writers.notebook(
        company.launches,
        editor,
        text_cell("brief", "A new oat bar"),
        prompt_cell("tagline", chip("brief")),
        prompt_cell("post", chip("tagline")),
        prompt_cell("mail", chip("brief")),
    )


def shown(book, user):
    state = chain_page.state_for(writers.access(book, user), user)
    return state, {cell["name"]: cell for cell in state["cells"]}


def test_the_first_update_writes_every_prompt_cell(book, editor):
    writers.write(book, editor)
    cells = writers.cells(book)
    assert all(cells[name].text for name in ("tagline", "post", "mail"))
    assert all(cells[name].output_id for name in ("tagline", "post", "mail"))
    assert Output.objects.count() == 3


def test_everything_is_current_after_an_update_and_another_says_so(book, editor):
    writers.write(book, editor)
    state, cells = shown(book, editor)
    assert state["update"]["count"] == 0
    assert {cells[name]["state"] for name in ("tagline", "post", "mail")} == {"current"}
    with pytest.raises(chain.NothingOutOfDate, match="up to date"):
        writers.update(book, editor)


def test_a_changed_brief_makes_what_reads_it_out_of_date(book, editor, company):
    writers.write(book, editor)
    other = writers.notebook(company.launches, editor, text_cell("brief", "A rye bar"))
    assert other.pk != book.pk
    change_brief(book, editor, "A new rye bar")
    state, cells = shown(book, editor)
    assert [cells[name]["state"] for name in ("tagline", "post", "mail")] == ["stale"] * 3
    assert state["update"]["count"] == 3
    before = writers.cells(book)["tagline"].text
    writers.write(book, editor)
    assert writers.cells(book)["tagline"].text != before
    assert shown(book, editor)[0]["update"]["count"] == 0


def change_brief(book, by, text):
    """Write the brief's only paragraph anew, as typing does."""
    from pycrdt import Doc, XmlFragment, XmlText

    doc = Doc()
    doc.apply_update(writers.state_of(book))
    before = doc.get_state()
    brief = doc.get("document", type=XmlFragment).children[0]
    with doc.transaction():
        del brief.children[0].children[0]
        brief.children[0].children.append(XmlText(text))
    writers.append(book, by, bytes(doc.get_update(before)))


def test_text_that_a_person_wrote_is_never_overwritten(book, editor):
    writers.write(book, editor)
    writers.type_result(book, editor, "tagline", "Our own words")
    change_brief(book, editor, "A new rye bar")
    writers.write(book, editor)
    assert writers.cells(book)["tagline"].text == "Our own words"
    (waiting,) = shown(book, editor)[1]["tagline"]["waiting"]
    assert "".join(text for kind, text in waiting["changes"] if kind != "new") == "Our own words"


def test_readers_of_a_persons_text_read_it_and_not_the_proposal(book, editor):
    writers.write(book, editor)
    writers.type_result(book, editor, "tagline", "Our own words")
    writers.write(book, editor, "tagline")
    writers.write(book, editor, "post")
    step = StepRun.objects.filter(key__endswith=str(cell_id("post"))).latest("queued_at")
    assert "Our own words" in str(step.messages)


def test_adopting_a_proposal_puts_it_in_and_going_back_takes_it_out(book, editor):
    writers.write(book, editor)
    writers.type_result(book, editor, "tagline", "Our own words")
    writers.write(book, editor, "tagline")
    waiting = CellOutput.objects.get(status="waiting")
    access = writers.access(book, editor)
    adoption.adopt(access=access, by=editor, output=waiting.output_id)
    assert writers.cells(book)["tagline"].output_id == str(waiting.output_id)
    assert shown(book, editor)[1]["tagline"]["can_go_back"]
    adoption.back(access=access, by=editor, cell=cell_id("tagline"))
    assert writers.cells(book)["tagline"].text == "Our own words"


def test_going_back_over_what_people_wrote_since_is_refused(book, editor):
    writers.write(book, editor)
    writers.type_result(book, editor, "tagline", "Better words")
    with pytest.raises(adoption.PeopleWroteHere, match="their text stays"):
        adoption.back(access=writers.access(book, editor), by=editor, cell=cell_id("tagline"))


def test_there_is_nothing_to_go_back_to_before_the_first_result(book, editor):
    with pytest.raises(adoption.NothingToGoBackTo):
        adoption.back(access=writers.access(book, editor), by=editor, cell=cell_id("tagline"))


def test_several_variants_wait_for_a_choice_and_readers_read_the_first(company, editor):
    book = writers.notebook(
        company.launches,
        editor,
        prompt_cell("tagline", variants=3),
        prompt_cell("post", chip("tagline")),
    )
    writers.write(book, editor)
    assert writers.cells(book)["tagline"].text == ""
    _, cells = shown(book, editor)
    assert [one["variant"] for one in cells["tagline"]["waiting"]] == [0, 1, 2]
    post = Output.objects.get(step_run__key__endswith=str(cell_id("post")))
    assert cells["tagline"]["waiting"][0]["text"] in str(post.prompt)
    assert cells["post"]["state"] == "current"
    chosen = cells["tagline"]["waiting"][1]
    adoption.adopt(
        access=writers.access(book, editor), by=editor, output=uuid.UUID(chosen["output"])
    )
    _, cells = shown(book, editor)
    assert cells["tagline"]["waiting"] == []
    assert cells["post"]["state"] == "stale"


def test_an_output_is_adopted_once_however_often_it_is_delivered(book, editor):
    from apps.inference.models import OutboxRow
    from apps.inference.outbox import Message

    writers.write(book, editor)
    before = Document.objects.get(pk=book.pk).last_seq
    again = [
        Message(
            id=row.pk,
            kind=row.kind,
            organization_id=str(row.organization_id),
            subject=row.subject,
            payload=row.payload,
        )
        for row in OutboxRow.objects.filter(kind="output.committed")
    ]
    adoption.consume(again)
    adoption.consume(again[:1])
    assert Document.objects.get(pk=book.pk).last_seq == before
    assert CellOutput.objects.count() == 3


def test_the_outputs_that_wait_enter_the_document_in_one_append(book, editor):
    run = writers.write(book, editor)
    by_model = DocUpdate.objects.filter(document=book.pk, origin=DocUpdate.Origin.MODEL)
    assert by_model.values("created_at").distinct().count() == 1
    rows = {row.seq for row in by_model}
    assert rows == set(CellOutput.objects.values_list("adopted_seq", flat=True))
    assert len(rows) == run.steps.count() == 3


def test_two_texts_for_one_cell_come_one_after_the_other(book, editor):
    first = writers.update(book, editor, "tagline")
    execution.run_stage(run_id=str(first.pk), pool="inference")
    second = writers.update(book, editor, "tagline")
    execution.run_stage(run_id=str(second.pk), pool="inference")
    assert first != second
    outbox.deliver()
    last = Output.objects.get(step_run__run=second)
    assert writers.cells(book)["tagline"].text == last.text
    assert set(CellOutput.objects.values_list("status", flat=True)) == {"adopted"}
    adoption.back(access=writers.access(book, editor), by=editor, cell=cell_id("tagline"))
    assert writers.cells(book)["tagline"].text == Output.objects.get(step_run__run=first).text


def test_a_double_click_is_one_run(book, editor):
    first = writers.update(book, editor, key="same-key-1")
    assert writers.update(book, editor, key="same-key-1") == first
    assert writers.update(book, editor, key="another-key") == first
    assert Run.objects.count() == 1


def test_one_cell_runs_alone_even_when_it_is_current(book, editor):
    writers.write(book, editor)
    run = writers.write(book, editor, "mail")
    assert [step.label for step in run.steps.all()] == ["mail"]


def test_a_text_cell_cannot_run(book, editor):
    with pytest.raises(chain.CellCannotRun, match="brief"):
        writers.update(book, editor, "brief")


def test_an_output_for_a_notebook_in_the_trash_waits(book, editor):
    run = writers.update(book, editor)
    trash_notebook(notebook=book, by=editor)
    writers.work(run)
    assert set(CellOutput.objects.values_list("status", flat=True)) == {"waiting"}


def test_a_deleted_cells_output_waits_for_nobody_and_breaks_nothing(book, editor):
    from pycrdt import Doc, XmlFragment

    run = writers.update(book, editor)
    doc = Doc()
    doc.apply_update(writers.state_of(book))
    before = doc.get_state()
    del doc.get("document", type=XmlFragment).children[3]
    writers.append(book, editor, bytes(doc.get_update(before)))
    writers.work(run)
    assert CellOutput.objects.get(cell_id=cell_id("mail")).status == "waiting"
    output = CellOutput.objects.get(cell_id=cell_id("mail")).output_id
    with pytest.raises(adoption.CellIsGone):
        adoption.adopt(access=writers.access(book, editor), by=editor, output=output)


def test_a_waiting_output_can_be_put_away(book, editor):
    writers.write(book, editor)
    writers.type_result(book, editor, "tagline", "Ours")
    writers.write(book, editor, "tagline")
    waiting = CellOutput.objects.get(status="waiting")
    row = chain.dismiss(access=writers.access(book, editor), by=editor, output=waiting.output_id)
    assert row.status == "dismissed"
    assert shown(book, editor)[1]["tagline"]["waiting"] == []


def test_an_output_of_another_notebook_is_not_there(book, editor, company):
    writers.write(book, editor)
    other = writers.notebook(company.launches, editor, prompt_cell("x"))
    output = CellOutput.objects.first().output_id
    with pytest.raises(NotVisible):
        adoption.adopt(access=writers.access(other, editor), by=editor, output=output)


def test_decisions_and_runs_leave_a_trace_without_text(book, editor):
    writers.write(book, editor)
    writers.type_result(book, editor, "tagline", "Ours")
    writers.write(book, editor, "tagline")
    waiting = CellOutput.objects.get(status="waiting")
    adoption.adopt(access=writers.access(book, editor), by=editor, output=waiting.output_id)
    verbs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert {"run.started", "output.adopted"} <= verbs
    assert waiting.text not in str(list(AuditEvent.objects.values_list("data", flat=True)))


def test_projection_is_read_once_per_change(book, editor, django_assert_max_num_queries):
    project(book.pk)
    with django_assert_max_num_queries(4):
        assert project(book.pk).names == ["brief", "tagline", "post", "mail"]
    assert Cell.objects.filter(notebook=book).count() == 4


class TestAcrossNotebooks:
    @pytest.fixture
    def near(self, company, editor, book):
        """A notebook of the same division that reads the first one's tag line."""
        return writers.notebook(
            company.newsroom, editor, prompt_cell("news", chip("tagline", of=book)), title="News"
        )

    @pytest.fixture
    def far(self, company, book):
        """A notebook of another division that reads the same, shared with its editor."""
        retailer = member(company.retail, Role.EDITOR)
        return retailer, writers.notebook(
            company.shops, retailer, prompt_cell("shelf", chip("tagline", of=book)), title="Shelf"
        )

    def test_update_also_writes_what_is_out_of_date_above(self, near, book, editor):
        state, _ = shown(near, editor)
        assert (state["update"]["count"], state["update"]["elsewhere"]) == (2, 1)
        writers.write(near, editor)
        assert writers.cells(book)["tagline"].text
        assert writers.cells(near)["news"].text
        assert not writers.cells(book)["mail"].text

    def test_a_source_that_the_runner_may_not_see_is_named_at_its_place(self, far, book):
        retailer, shelf = far
        _, cells = shown(shelf, retailer)
        assert cells["shelf"]["state"] == "broken"
        (problem,) = cells["shelf"]["problems"]
        assert problem["words"] == "This source is not shared with you"
        with pytest.raises(chain.CellCannotRun):
            writers.update(shelf, retailer, "shelf")

    def test_across_divisions_only_a_released_text_is_read(self, far, book, editor, company):
        retailer, shelf = far
        member(company.brand, Role.VIEWER, user=retailer)
        writers.write(book, editor)
        assert "no released version" in shown(shelf, retailer)[1]["shelf"]["problems"][0]["words"]
        made = chain.release(
            access=writers.access(book, editor), by=editor, cell=cell_id("tagline")
        )
        writers.write(shelf, retailer)
        prompt = str(Output.objects.latest("created_at").prompt)
        assert made.text in prompt
        writers.type_result(book, editor, "tagline", "Not released yet")
        assert shown(shelf, retailer)[1]["shelf"]["state"] == "current"
        chain.release(access=writers.access(book, editor), by=editor, cell=cell_id("tagline"))
        assert shown(shelf, retailer)[1]["shelf"]["state"] == "stale"

    def test_releasing_nothing_or_nowhere_is_refused(self, book, editor):
        access = writers.access(book, editor)
        with pytest.raises(chain.NothingWritten, match="tagline"):
            chain.release(access=access, by=editor, cell=cell_id("tagline"))
        with pytest.raises(NotVisible):
            chain.release(access=access, by=editor, cell=uuid.uuid4())

    def test_a_chip_shows_each_viewer_only_what_that_viewer_may_see(self, far, book, editor, near):
        retailer, shelf = far
        writers.write(book, editor)
        target = CellKey(notebook=book.pk, cell=cell_id("tagline"))
        assert outside.look_up(editor, near, Reference(target=target)).text
        refused = outside.look_up(retailer, shelf, Reference(target=target))
        assert (refused.problem, refused.text, refused.label) == ("forbidden", "", "")

    def test_the_picker_offers_only_visible_cells(self, far, book, editor, near):
        retailer, shelf = far
        project(book.pk)
        assert [one.label for one in sources.choices_for(retailer, shelf, "")] == ["shelf"]
        labels = [one.label for one in sources.choices_for(editor, near, "tag")]
        assert labels == ["tagline"]

    def test_a_circle_through_two_notebooks_is_refused_with_its_path(self, company, editor):
        first = writers.notebook(company.launches, editor, prompt_cell("one"), title="First")
        second = writers.notebook(
            company.launches, editor, prompt_cell("two", chip("one", of=first)), title="Second"
        )
        content = prompt_cell("one", chip("two", of=second))
        from pycrdt import Doc, XmlFragment

        from apps.notebooks import document
        from apps.notebooks.document import write_nodes

        doc = Doc()
        doc.apply_update(writers.state_of(first))
        before = doc.get_state()
        fragment = doc.get(document.FRAGMENT, type=XmlFragment)
        with doc.transaction():
            del fragment.children[0]
            write_nodes(fragment, [content])
        writers.append(first, editor, bytes(doc.get_update(before)))
        (problem,) = shown(second, editor)[1]["two"]["problems"]
        assert problem["words"].endswith("two → one → two")


class TestAiOff:
    @pytest.mark.parametrize("switch", ["organization", "workspace", "person"])
    def test_each_switch_hides_and_refuses_all_of_it(self, book, editor, switch):
        place = {"organization": book.organization, "workspace": book.workspace, "person": editor}
        place[switch].ai_enabled = False
        place[switch].save()
        editor.refresh_from_db()
        state, _ = shown(book, editor)
        assert (state["ai"], state["may_run"], "runs" in state) == (False, False, False)
        with pytest.raises(ai.AiIsOff, match="switched"):
            writers.update(book, editor)
