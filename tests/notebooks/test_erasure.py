"""What is erased is nowhere: in no table, file or dump, and no open page brings it back."""

from io import BytesIO
from pathlib import Path

import PIL.Image
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.files.uploadedfile import SimpleUploadedFile
from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from apps.inference import selectors
from apps.inference.models import Output, StepRun
from apps.inference.outbox import Message
from apps.inference.specs import Subject
from apps.learning.models import EditRecord
from apps.learning.services.records import Settled, settle
from apps.notebooks import authors, crdt, document, execution, history, mirrors, redaction
from apps.notebooks.models import (
    SCHEMA_VERSION,
    CellOutput,
    DocAuthor,
    DocSnapshot,
    Document,
    DocUpdate,
    Image,
    Notebook,
    Release,
)
from apps.notebooks.services import adoption, chain, erasure, forks
from apps.notebooks.services.images import add_image
from apps.notebooks.services.notebooks import delete_notebook, duplicate_notebook, rename_notebook
from apps.notebooks.services.notebooks import trash_notebook as trash
from apps.organizations.models import AuditEvent, Role
from tests.factories import member
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.browsers import Closed, Socket, joined, session_of
from tests.notebooks.searching import in_dump, places_of
from tests.notebooks.writers import cell_id, chip, prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)

BRIEF, TYPED, TITLE, GONE = "Quetzalbrief", "Quetzaltyped", "Quetzaltitle", "Quetzalgone"


@pytest.fixture
def editor(company):
    deployment()
    return member(company.brand, Role.EDITOR, user=None)


@pytest.fixture
def book(company, editor):
    """A brief and what models and people made of it, each by its own road."""
    book = writers.notebook(
        company.launches,
        editor,
        text_cell("brief", f"A {BRIEF} bar"),
        prompt_cell("tagline", chip("brief")),
        prompt_cell("post", chip("tagline")),
        title=TITLE,
    )
    writers.write(book, editor)
    writers.type_result(book, editor, "tagline", f"Our {TYPED} words")
    writers.write(book, editor, "post")
    chain.release(access=writers.access(book, editor), by=editor, cell=cell_id("tagline"))
    rename_notebook(notebook=book, by=editor, title=f"{TITLE} again")
    remember(book, "tagline", f"Our {TYPED} words")
    return Notebook.objects.get(pk=book.pk)


@pytest.fixture
def reader(company, editor, book):
    """A notebook of the same division in which a model has read the brief."""
    other = writers.notebook(
        company.newsroom, editor, prompt_cell("echo", chip("brief", of=book)), title="Reader"
    )
    writers.write(other, editor, "echo")
    return other


def remember(book, name, text):
    output = Output.objects.filter(step_run__key__endswith=str(cell_id(name))).latest("created_at")
    return settle(
        settled=Settled(
            workspace=book.workspace,
            notebook_id=book.pk,
            notebook_title=book.title,
            cell_id=cell_id(name),
            cell_name=name,
            output_id=output.pk,
            settle="released",
            final_text=text,
            kept_chars=0,
            output_chars=len(output.text),
            document_seq=Document.objects.get(pk=book.pk).last_seq,
        )
    )


def picture(book, by):
    out = BytesIO()
    PIL.Image.new("RGB", (3, 2), "red").save(out, "PNG")
    return add_image(notebook=book, by=by, upload=SimpleUploadedFile("a.png", out.getvalue()))


def typed(book, by, text, *, doc=None):
    """Write a paragraph at the end, in a browser of one's own; return its document."""
    doc = doc or Doc()
    doc.apply_update(writers.state_of(book))
    before = doc.get_state()
    doc.get("document", type=XmlFragment).children.append(
        XmlElement("paragraph", {}, [XmlText(text)])
    )
    writers.append(book, by, bytes(doc.get_update(before)))
    return doc


def deleted_last(book, by):
    doc = Doc()
    doc.apply_update(writers.state_of(book))
    before = doc.get_state()
    children = doc.get("document", type=XmlFragment).children
    del children[len(children) - 1]
    writers.append(book, by, bytes(doc.get_update(before)))


def text_of(book):
    return document.plain_text(document.decode(writers.state_of(book)))


def test_the_search_finds_what_is_there(book, reader):
    found = " ".join(places_of(BRIEF, TYPED, TITLE))
    for place in (
        "docupdate",
        "cell.text",
        "cell.spec",
        "output.prompt",
        "release.text",
        "editrecord",
    ):
        assert place.split(".")[0] in found
    assert "inference_steprun.messages" in found
    assert "auditevent.data" in found


def test_a_notebook_deleted_for_good_is_nowhere(book, reader, editor):
    image = picture(book, editor)
    file = Path(image.file.path)
    made_of = Output.objects.get(step_run__topic=f"notebook.{reader.pk}")
    own = list(Output.objects.filter(step_run__topic=f"notebook.{book.pk}"))
    trash(notebook=book, by=editor)
    erased = delete_notebook(notebook=book, by=editor)
    assert places_of(BRIEF, TYPED, TITLE, *(one.text for one in own)) == []
    assert in_dump(BRIEF, TYPED, TITLE) == []
    assert str(made_of.pk) in erased.made_elsewhere
    made_of.refresh_from_db()
    assert (made_of.erased_at, bool(made_of.text), bool(made_of.input_hash)) == (None, True, True)
    assert made_of.prompt[1]["segments"][1]["ref"] == f"{book.pk}:{cell_id('brief')}"
    assert not file.exists()


def test_tombstones_keep_ids_hashes_and_counts(book, editor):
    output = Output.objects.get(step_run__key__endswith=str(cell_id("tagline")))
    record = EditRecord.objects.get()
    trash(notebook=book, by=editor)
    delete_notebook(notebook=book, by=editor)
    stone = Output.objects.get(pk=output.pk)
    assert stone.text == ""
    assert stone.erased_at
    kept = ("sha256", "input_hash", "new_tokens", "total_s", "model_version_id")
    assert all(getattr(stone, name) == getattr(output, name) for name in kept)
    buried = EditRecord.objects.get(pk=record.pk)
    assert (buried.final_text, buried.notebook_title, buried.cell_name) == ("", "", "")
    assert (buried.final_sha256, buried.distance) == (record.final_sha256, record.distance)
    data = AuditEvent.objects.get(verb="notebook.deleted").data
    assert (data["outputs"], data["records"], data["releases"]) == (3, 1, 1)
    assert data["dataset_versions"] == data["models"] == []


def test_what_was_deleted_before_is_forgotten_and_what_stands_is_kept(book, reader, editor):
    typed(book, editor, f"{GONE} words")
    deleted_last(book, editor)
    assert places_of(GONE)
    before = text_of(book)
    head = Document.objects.get(pk=book.pk)
    erasure.forget_past(notebook=book, by=editor)
    assert places_of(GONE) == []
    assert in_dump(GONE) == []
    assert text_of(book) == before
    after = Document.objects.get(pk=book.pk)
    assert after.epoch != head.epoch
    assert after.last_seq == head.last_seq
    assert not DocUpdate.objects.filter(document=book.pk).exists()
    echo = Output.objects.get(step_run__topic=f"notebook.{reader.pk}")
    assert BRIEF in str(echo.prompt)  # it stands, so what was asked is no secret


def test_outputs_that_people_wrote_over_are_forgotten_and_those_that_stand_stay(book, editor):
    tagline, post, again = Output.objects.order_by("created_at")
    erasure.forget_past(notebook=book, by=editor)
    assert places_of(tagline.text) == []
    standing = Output.objects.get(pk=again.pk)
    assert standing.text == again.text
    assert TYPED in str(standing.prompt)
    assert Output.objects.get(pk=post.pk).erased_at
    assert not CellOutput.objects.exclude(before=None).exists()
    with pytest.raises(adoption.NothingToGoBackTo):
        adoption.back(access=writers.access(book, editor), by=editor, cell=cell_id("post"))


def test_an_earlier_release_is_forgotten_and_the_newest_one_stands(book, editor):
    writers.type_result(book, editor, "tagline", "Other words")
    erasure.forget_past(notebook=book, by=editor)
    assert Release.objects.get().text == f"Our {TYPED} words"
    chain.release(access=writers.access(book, editor), by=editor, cell=cell_id("tagline"))
    erasure.forget_past(notebook=book, by=editor)
    first, second = Release.objects.order_by("number")
    assert (first.text, bool(first.erased_at), first.number, len(first.sha256)) == ("", True, 1, 64)
    assert second.text == "Other words"
    assert places_of(TYPED) == []


def test_a_picture_that_the_text_shows_no_more_goes_with_its_file(book, editor):
    image = picture(book, editor)
    erasure.forget_past(notebook=book, by=editor)
    assert not Image.objects.exists()
    assert not Path(image.file.path).exists()


def test_an_output_that_was_forgotten_is_not_used_again_nor_adopted(book, editor):
    output = Output.objects.latest("created_at")
    erasure.forget_output(output=output, by=editor)
    step = StepRun.objects.get(outputs=output)
    assert selectors.latest_output(book.organization, step.key, output.input_hash) is None
    CellOutput.objects.all().delete()
    adoption.consume(
        [
            Message(
                id=1,
                kind="output.committed",
                organization_id=str(book.organization_id),
                subject=Subject(kind="notebook", id=str(book.pk)),
                payload={"output": str(output.pk), "context": step.context, "variants": 1},
            )
        ]
    )
    assert not CellOutput.objects.exists()


def test_one_output_is_taken_out_of_the_document_and_of_what_was_made_from_it(company, editor):
    book = writers.notebook(
        company.launches,
        editor,
        text_cell("brief", "A bar"),
        prompt_cell("tagline", chip("brief")),
        prompt_cell("post", chip("tagline")),
    )
    writers.write(book, editor)
    tagline = Output.objects.get(step_run__key__endswith=str(cell_id("tagline")))
    post = Output.objects.get(step_run__key__endswith=str(cell_id("post")))
    record = remember(book, "tagline", tagline.text)
    chain.release(access=writers.access(book, editor), by=editor, cell=cell_id("tagline"))
    assert places_of(tagline.text)
    erased = erasure.forget_output(output=tagline, by=editor)
    assert places_of(tagline.text) == []
    assert in_dump(tagline.text) == []
    assert writers.cells(book)["post"].text == post.text
    assert erased.made_elsewhere == [str(post.pk)]
    assert EditRecord.objects.get(pk=record.pk).erased_at
    event = AuditEvent.objects.get(verb="output.erased")
    assert (event.data["sha256"], event.data["releases"]) == (tagline.sha256, 1)


def test_a_record_is_forgotten_alone(book, editor):
    record = EditRecord.objects.get()
    erasure.forget_record(record=record, by=editor)
    buried = EditRecord.objects.get(pk=record.pk)
    assert (buried.final_text, buried.final_sha256) == ("", record.final_sha256)
    assert AuditEvent.objects.get(verb="record.erased").data["record"] == str(record.pk)
    assert TYPED in text_of(book)


def test_what_one_person_wrote_goes_and_what_others_wrote_stays(book, company, editor, reader):
    other = member(company.launches)
    typed(book, other, "Quetzalother line")
    typed(book, editor, "Kept line")
    erasure.forget_writing(person=other, organization=company.organization, by=company.owner)
    assert places_of("Quetzalother") == []
    assert "Kept line" in text_of(book)
    assert BRIEF in text_of(book)
    assert TYPED in text_of(book)


def test_who_wrote_is_known_after_compaction(book, company, editor, monkeypatch):
    monkeypatch.setattr(execution, "KEEP_ROWS", 0)
    other = member(company.launches)
    doc = typed(book, other, "Quetzalother line")
    typed(book, editor, "Kept line")
    execution.compact(book.pk)
    assert not DocUpdate.objects.filter(document=book.pk).exists()
    assert authors.of(book.pk)[doc.client_id] == other.pk
    erasure.forget_writing(person=other, organization=company.organization, by=None)
    assert places_of("Quetzalother") == []
    assert "Kept line" in text_of(book)
    assert not DocAuthor.objects.filter(user=other).exists()


def test_a_copy_knows_who_wrote_in_the_original(book, company, editor):
    other = member(company.launches)
    typed(book, other, "Quetzalother line")
    copy = duplicate_notebook(notebook=book, by=editor, workspace=company.launches)
    found = erasure.forget_writing(person=other, organization=company.organization, by=None)
    assert set(found) == {str(book.pk), str(copy.pk)}
    assert places_of("Quetzalother") == []
    assert BRIEF in text_of(copy)


def test_pictures_of_a_person_go_out_of_the_text(book, company, editor):
    other = member(company.launches)
    image = picture(book, other)
    shown = document.encode(
        {"type": "doc", "content": [{"type": "image", "attrs": {"src": image.get_absolute_url()}}]}
    )
    writers.append(book, editor, shown)
    assert document.image_sources(writers.state_of(book))
    erasure.forget_writing(person=other, organization=company.organization, by=None)
    assert not document.image_sources(writers.state_of(book))
    assert not Image.objects.exists()


def test_who_wrote_nothing_leaves_nothing_to_forget(book, company):
    nobody = member(company.launches)
    assert erasure.forget_writing(person=nobody, organization=company.organization, by=None) == {}


def test_an_open_page_is_sent_away_and_learns_that_its_copy_is_of_the_past(book, editor):
    async def scene():
        socket, welcome, _sync = await joined(book.pk, editor)
        await sync_to_async(erasure.forget_past)(notebook=book, by=editor)
        with pytest.raises(Closed, match="1013"):
            await socket.receive_type("nothing")
        again = Socket(book.pk, await sync_to_async(session_of)(editor))
        await again.open()
        hello = {"type": "hello", "schema": SCHEMA_VERSION, "client": 1}
        await again.send({**hello, "epoch": welcome["epoch"], "seq": welcome["seq"]})
        said = await again.receive()
        await again.close()
        return said

    assert async_to_sync(scene)()["type"] == "diverged"


def test_a_stale_browser_keeps_its_own_words_and_brings_nothing_back(book, company, editor):
    other = member(company.launches)
    typed(book, other, "Quetzalother line")
    stale = Doc()
    stale.apply_update(writers.state_of(book))
    erasure.forget_writing(person=other, organization=company.organization, by=None)
    children = stale.get("document", type=XmlFragment).children
    children.append(XmlElement("paragraph", {}, [XmlText("Written offline")]))
    fork = forks.fork_notebook(notebook=book, by=editor, content=bytes(stale.get_update()))
    assert "Written offline" in text_of(fork)
    assert BRIEF in text_of(fork)
    assert places_of("Quetzalother") == []


def test_a_copy_that_fits_nowhere_is_refused(book, editor):
    erasure.forget_past(notebook=book, by=editor)
    with pytest.raises(crdt.BadUpdate):
        redaction.caught_up(b"\x01\x02\x03", state=crdt.EMPTY)


def test_mirrors_in_memory_are_forgotten(book, editor):
    typed(book, editor, "Something")
    assert book.pk in mirrors._mirrors
    erasure.forget_past(notebook=book, by=editor)
    assert book.pk not in mirrors._mirrors


def test_writing_goes_on_after_an_erasure(book, editor):
    erasure.forget_past(notebook=book, by=editor)
    typed(book, editor, "And on")
    assert "And on" in text_of(book)
    assert (
        history.whole(Document.objects.get(pk=book.pk)).seq
        == DocSnapshot.objects.get().upto_seq + 1
    )
