"""Compaction shortens the history of a document and changes nothing about the document."""

import uuid
from typing import Any

import pytest
from pycrdt import Doc, Text

from apps.notebooks import crdt, execution, history, mirrors, tasks
from apps.notebooks.messages import Hello
from apps.notebooks.models import SCHEMA_VERSION, DocSnapshot, Document, DocUpdate, Notebook
from apps.notebooks.services import updates
from tests import factories
from tests.notebooks.test_updates import append, keystrokes, text_of

pytestmark = pytest.mark.django_db
WORDS = "the quick brown fox jumps over the lazy dog and writes a line about it"


@pytest.fixture(autouse=True)
def no_mirrors() -> None:
    mirrors.forget_all()


@pytest.fixture
def notebook(company: factories.Company, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    monkeypatch.setattr(execution, "KEEP_ROWS", 5)
    return factories.notebook(company.launches)


def document_of(notebook: Notebook) -> Document:
    return Document.objects.get(pk=notebook.pk)


def hello(document: Document, seq: int, doc: Doc | None = None) -> Hello:
    vector = bytes(doc.get_state()) if doc is not None else None
    return Hello(schema=SCHEMA_VERSION, client=1, epoch=document.epoch, seq=seq, vector=vector)


def test_the_document_is_the_same_and_its_rows_are_few(notebook: Notebook) -> None:
    append(notebook, *keystrokes(WORDS))
    before = history.read(document_of(notebook))
    assert execution.compact(notebook.pk) == len(WORDS) + 1 - 5
    after = history.read(document_of(notebook))
    assert after.seq == before.seq
    assert text_of(*after.updates) == text_of(*before.updates) == WORDS
    assert DocUpdate.objects.filter(document=notebook.pk).count() == 5
    assert sum(map(len, after.updates)) < sum(map(len, before.updates)) / 4


def test_doing_it_twice_is_doing_it_once(notebook: Notebook) -> None:
    append(notebook, *keystrokes(WORDS))
    execution.compact(notebook.pk)
    snapshot = DocSnapshot.objects.get(document=notebook.pk)
    assert execution.compact(notebook.pk) == 0
    again = DocSnapshot.objects.get(document=notebook.pk)
    assert (again.upto_seq, bytes(again.state)) == (snapshot.upto_seq, bytes(snapshot.state))


def test_a_snapshot_grows_with_the_next_rows(notebook: Notebook) -> None:
    first, second = keystrokes(WORDS)[:30], keystrokes(WORDS)[30:]
    append(notebook, *first)
    execution.compact(notebook.pk)
    append(notebook, *second)
    execution.compact(notebook.pk)
    assert DocSnapshot.objects.get(document=notebook.pk).upto_seq == len(WORDS) + 1 - 5
    assert text_of(*history.read(document_of(notebook)).updates) == WORDS


def test_what_waits_for_an_earlier_update_waits_on_in_the_snapshot(notebook: Notebook) -> None:
    letters = keystrokes(WORDS)
    missing = letters.pop(3)
    append(notebook, *letters)
    execution.compact(notebook.pk)
    assert text_of(*history.read(document_of(notebook)).updates) == WORDS[:3]
    append(notebook, missing)
    assert text_of(*history.read(document_of(notebook)).updates) == WORDS
    append(notebook, *keystrokes("123456", client=9))
    execution.compact(notebook.pk)
    assert sorted(text_of(*history.read(document_of(notebook)).updates)) == sorted(WORDS + "123456")


def test_deletions_survive(notebook: Notebook) -> None:
    doc: Doc = Doc(client_id=5)
    words = doc.get("test", type=Text)
    words += WORDS
    append(notebook, bytes(doc.get_update()))
    for _ in range(20):
        before = doc.get_state()
        del words[0:2]
        append(notebook, bytes(doc.get_update(before)))
    execution.compact(notebook.pk)
    assert text_of(*history.read(document_of(notebook)).updates) == WORDS[40:]


def test_a_browser_from_before_the_snapshot_gets_what_it_lacks(notebook: Notebook) -> None:
    letters = keystrokes(WORDS)
    append(notebook, *letters)
    execution.compact(notebook.pk)
    doc: Doc = Doc()
    seed = history.read(document_of(notebook))
    for update in [crdt.missing(seed.updates[0], b"\x00"), *letters[:10]][1:]:
        doc.apply_update(update)
    found = history.for_joiner(notebook.pk, hello(document_of(notebook), 11, doc))
    assert len(found.updates[0]) < len(seed.updates[0])
    for update in found.updates:
        doc.apply_update(update)
    assert str(doc.get("test", type=Text)) == WORDS


def test_a_browser_that_was_away_for_a_moment_needs_no_snapshot(notebook: Notebook) -> None:
    letters = keystrokes(WORDS)
    append(notebook, *letters)
    execution.compact(notebook.pk)
    last = document_of(notebook).last_seq
    found = history.for_joiner(notebook.pk, hello(document_of(notebook), last - 2))
    assert found.updates == letters[-2:]


def test_of_two_workers_only_the_first_exchanges_the_snapshot(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(notebook, *keystrokes(WORDS))
    squash = crdt.squash

    def overtaken(update: bytes) -> bytes:
        monkeypatch.setattr(crdt, "squash", squash)
        assert execution.compact(notebook.pk) > 0
        return squash(update)

    monkeypatch.setattr(crdt, "squash", overtaken)
    assert execution.compact(notebook.pk) == 0
    assert text_of(*history.read(document_of(notebook)).updates) == WORDS


def test_a_notebook_deleted_meanwhile_is_no_fault(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(notebook, *keystrokes(WORDS))
    squash = crdt.squash

    def deleted(update: bytes) -> bytes:
        notebook.delete()
        return squash(update)

    monkeypatch.setattr(crdt, "squash", deleted)
    assert execution.compact(notebook.pk) == 0


def test_few_rows_and_unknown_documents_are_left_alone(notebook: Notebook) -> None:
    append(notebook, *keystrokes("abc"))
    assert execution.compact(notebook.pk) == 0
    assert execution.compact(uuid.uuid4()) == 0
    assert not DocSnapshot.objects.exists()


def test_a_long_document_is_merged_once_it_has_grown(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = keystrokes(WORDS * 40)
    append(notebook, *long[:-30])
    assert execution.compact(notebook.pk) > 0
    append(notebook, *long[-30:])
    monkeypatch.setattr(execution, "WORTH", 1)
    assert execution.compact(notebook.pk) == 0
    monkeypatch.setattr(execution, "MANY_ROWS", 30)
    assert execution.compact(notebook.pk) == 30
    assert text_of(*history.read(document_of(notebook)).updates) == WORDS * 40


def test_an_interrupted_history_is_left_alone(notebook: Notebook) -> None:
    append(notebook, *keystrokes(WORDS))
    DocUpdate.objects.filter(document=notebook.pk, seq=7).delete()
    assert execution.compact(notebook.pk) == 0


def test_the_reconciler_finds_long_documents(
    notebook: Notebook, company: factories.Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "DUE_ROWS", 30)
    other = factories.notebook(company.launches)
    append(notebook, *keystrokes(WORDS))
    append(other, *keystrokes("abc"))
    assert execution.due_for_compaction() == [notebook.pk]
    tasks.compact_due(unknown="tolerated")
    assert execution.due_for_compaction() == []


def test_the_task_takes_an_id_and_tolerates_the_unknown(notebook: Notebook) -> None:
    append(notebook, *keystrokes(WORDS))
    tasks.compact(notebook_id=str(notebook.pk), unknown="tolerated")
    assert DocUpdate.objects.filter(document=notebook.pk).count() == 5


def test_every_so_many_updates_a_worker_is_asked(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates, "COMPACT_EVERY", 10)
    letters = keystrokes("abcdefghijklm")
    assert not append(notebook, *letters[:8]).fills_a_snapshot
    assert append(notebook, *letters[8:10]).fills_a_snapshot
    assert not append(notebook, *letters[10:]).fills_a_snapshot


def test_a_broker_that_is_down_does_not_disturb(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.compact, "delay", lambda **words: asked.append(words))
    updates.request_compaction(notebook.pk)
    assert asked == [{"notebook_id": str(notebook.pk)}]

    def refuse(**_words: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(tasks.compact, "delay", refuse)
    updates.request_compaction(notebook.pk)
