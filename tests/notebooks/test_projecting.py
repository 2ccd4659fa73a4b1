"""Cells are read anew once people pause, and once in a while when they do not."""

import threading
import time
import uuid

import pytest

from apps.notebooks import document, execution, history, projecting, projection
from apps.notebooks.models import Cell, Document
from tests.factories import member
from tests.notebooks import writers
from tests.notebooks.writers import text_cell


class Calls(projecting.Debounce):
    """Notes when it would have called a worker."""

    def __init__(self, **times):
        super().__init__(**times)
        self.at = []
        self.called = threading.Event()

    def call(self, notebook_id):
        self.at.append((notebook_id, time.monotonic()))
        self.called.set()


def test_many_edits_and_a_pause_are_one_call():
    calls = Calls(pause_s=0.1, at_most_s=5)
    notebook = uuid.uuid4()
    for _ in range(20):
        calls.touch(notebook)
        time.sleep(0.005)
    last = time.monotonic()
    assert calls.called.wait(2)
    time.sleep(0.2)
    assert [one for one, _ in calls.at] == [notebook]
    assert calls.at[0][1] - last >= 0.08


def test_who_never_pauses_is_read_in_between():
    calls = Calls(pause_s=10, at_most_s=0.1)
    calls.touch(uuid.uuid4())
    assert calls.called.wait(2)


def test_notebooks_wait_for_themselves_only():
    calls = Calls(pause_s=0.05, at_most_s=1)
    first, second = uuid.uuid4(), uuid.uuid4()
    calls.touch(first)
    calls.touch(second)
    time.sleep(0.5)
    assert {one for one, _ in calls.at} == {first, second}


def test_a_call_that_no_worker_can_get_is_only_logged(monkeypatch, caplog):
    def fail(**_arguments):
        raise OSError("no broker")

    monkeypatch.setattr("apps.notebooks.tasks.project.delay", fail)
    projecting.Debounce().call(uuid.uuid4())
    assert "no worker could be asked" in caplog.text


@pytest.mark.django_db
def test_the_worker_reads_the_cells_and_survives_a_deleted_notebook(company):
    book = writers.notebook(company.launches, member(company.brand), text_cell("brief", "Oats"))
    execution.project(book.pk)
    execution.project(uuid.uuid4())
    assert list(Cell.objects.values_list("name", "text")) == [("brief", "Oats")]
    assert Document.objects.get(pk=book.pk).chain_seq == 1


def test_a_text_without_cells_is_not_read(company, monkeypatch):
    person = member(company.launches)
    book = writers.notebook(company.launches, person, writers.paragraph("A long text."))
    projection.project(book.pk)
    writers.append(book, person, document.encode({"content": [writers.paragraph("More.")]}))
    with monkeypatch.context() as patch:
        patch.setattr(history, "whole", None)  # whoever calls it fails
        assert projection.project(book.pk).cells == []
    head = Document.objects.get(pk=book.pk)
    assert head.chain_seq == head.last_seq
    writers.append(book, person, document.encode({"content": [text_cell("brief", "Here.")]}))
    assert projection.project(book.pk).names == ["brief"]
    assert Cell.objects.get(notebook=book.pk).text == "Here."
