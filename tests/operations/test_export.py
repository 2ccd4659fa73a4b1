"""An export holds everything of one organization, nothing of another, and can be read by itself."""

import hashlib
import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone
from kombu.exceptions import OperationalError
from PIL import Image as Picture

from apps.core.errors import NotVisible
from apps.notebooks import document
from apps.notebooks.services import chain
from apps.notebooks.services.images import add_image
from apps.operations import execution, export, selectors, services, tasks
from apps.operations.models import Export
from apps.organizations.models import AuditEvent
from tests import factories
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.writers import cell_id, chip, prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def editor(company):
    deployment()
    return factories.member(company.brand)


@pytest.fixture
def book(company, editor):
    book = writers.notebook(
        company.launches,
        editor,
        text_cell("brief", "Eine grüne Bar 🎈"),
        prompt_cell("tagline", chip("brief")),
    )
    writers.write(book, editor)
    chain.release(access=writers.access(book, editor), by=editor, cell=cell_id("tagline"))
    out = io.BytesIO()
    Picture.new("RGB", (3, 2), "red").save(out, "PNG")
    add_image(notebook=book, by=editor, upload=SimpleUploadedFile("a.png", out.getvalue()))
    return book


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def exported(organization, tmp_path):
    root = tmp_path / "export"
    export.write_export(organization, export.Folder(root))
    return root


def test_everything_is_there_with_its_hash(company, book, tmp_path):
    root = exported(company.organization, tmp_path)
    manifest = json.loads((root / "manifest.json").read_text())
    for one in manifest["files"]:
        content = (root / one["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
        assert len(content) == one["size_bytes"]
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert found == {one["name"] for one in manifest["files"]} | {"manifest.json"}
    readme = (root / "README.txt").read_text()
    for name in {name.split("/")[0].split(".")[0] for name in found} - {"README"}:
        assert name in readme
    assert lines(root / "edit_records.jsonl")[0]["final_text"]
    assert lines(root / "outputs.jsonl")[0]["prompt"]
    assert lines(root / "steps.jsonl")[0]["messages"]
    assert {one["verb"] for one in lines(root / "audit.jsonl")} >= {
        "notebook.created",
        "run.started",
    }
    assert {one["name"] for one in lines(root / "workspaces.jsonl")} >= {"Launches", "Shops"}


def test_a_notebook_can_be_read_in_three_ways(company, book, tmp_path):
    place = exported(company.organization, tmp_path) / "notebooks" / str(book.pk)
    assert "Eine grüne Bar 🎈" in (place / "text.md").read_text()
    content = json.loads((place / "content.json").read_text())
    assert document.decode((place / "state.yjs").read_bytes()) == content
    assert [cell["name"] for cell in json.loads((place / "cells.json").read_text())] == [
        "brief",
        "tagline",
    ]
    assert json.loads((place / "releases.json").read_text())[0]["number"] == 1
    assert lines(place / "results.jsonl")[0]["status"] == "adopted"
    assert lines(place / "updates.jsonl")[0]["seq"] == 1


def test_nothing_of_another_organization_and_nothing_that_opens_doors(company, book, tmp_path):
    other = factories.company("Elsewhere")
    factories.notebook(other.launches, title="Their plan", text="Secret of others")
    root = exported(company.organization, tmp_path)
    everything = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert b"Secret of others" not in everything
    assert other.owner.email.encode() not in everything
    assert company.owner.email.encode() in everything
    assert company.owner.password.encode() not in everything
    for name in export.LEFT_OUT:
        assert f'"{name}":'.encode() not in everything


def test_a_picture_that_is_gone_is_left_out(company, book, tmp_path):
    image = book.images.get()
    assert (exported(company.organization, tmp_path) / "images" / f"{image.pk}.png").exists()
    default_storage.delete(image.file.name)
    root = exported(company.organization, tmp_path / "again")
    assert not list(root.glob("images/*"))


def test_what_json_cannot_say_is_a_fault():
    with pytest.raises(TypeError, match="got bytes"):
        export._plain(b"")


def test_an_owner_gets_a_file_within_days(company, book):
    asked = services.request_export(organization=company.organization, by=company.owner)
    with pytest.raises(services.ExportUnderWay):
        services.request_export(organization=company.organization, by=company.owner)
    with pytest.raises(NotVisible):
        selectors.export_of(company.organization, asked.pk)
    tasks.put_together(export_id=str(asked.pk))
    ready = selectors.export_of(company.organization, asked.pk)
    with default_storage.open(ready.file.name) as raw, zipfile.ZipFile(raw) as archive:
        assert archive.testzip() is None
        assert "README.txt" in archive.namelist()
    assert ready.size_bytes == default_storage.size(ready.file.name)
    assert not execution.put_together(asked.pk)
    with pytest.raises(NotVisible):
        selectors.export_of(factories.company("Elsewhere").organization, asked.pk)
    services.note_fetch(export=ready, by=company.owner)
    verbs = AuditEvent.objects.filter(actor=company.owner).values_list("verb", flat=True)
    assert {"organization.exported", "organization.export_fetched"} <= set(verbs)
    assert str(ready).startswith("export of ")


def test_an_export_goes_when_its_time_is_over(company, book):
    asked = services.request_export(organization=company.organization, by=company.owner)
    execution.put_together(asked.pk)
    name = selectors.export_of(company.organization, asked.pk).file.name
    execution.look_after_exports(timezone.now() + timedelta(days=4))
    assert not default_storage.exists(name)
    assert not Export.objects.exists()


def test_an_export_that_no_worker_was_told_of_is_found(company, monkeypatch):
    def nobody_there(**_options):
        raise OperationalError

    monkeypatch.setattr(tasks.put_together, "delay", nobody_there)
    asked = services.request_export(organization=company.organization, by=company.owner)
    tasks.look_after_exports()
    assert Export.objects.get(pk=asked.pk).status == "waiting"
    execution.look_after_exports(timezone.now() + timedelta(hours=1))
    assert Export.objects.get(pk=asked.pk).status == "ready"


def test_an_export_that_fails_says_so(company, monkeypatch):
    asked = services.request_export(organization=company.organization, by=company.owner)
    monkeypatch.setattr(execution, "write_export", lambda *_args: 1 / 0)
    assert not execution.put_together(asked.pk)
    assert Export.objects.get(pk=asked.pk).status == "failed"


def test_of_two_workers_one_file_stays(company, monkeypatch):
    asked = services.request_export(organization=company.organization, by=company.owner)
    write = execution.write_export

    def and_another(organization, sink):
        monkeypatch.setattr(execution, "write_export", write)
        assert execution.put_together(asked.pk)
        return write(organization, sink)

    monkeypatch.setattr(execution, "write_export", and_another)
    assert not execution.put_together(asked.pk)
    assert len(default_storage.listdir("exports")[1]) >= 1
    assert selectors.export_of(company.organization, asked.pk).status == "ready"


def test_the_command_writes_a_folder(company, book, tmp_path):
    said = io.StringIO()
    out = tmp_path / "export"
    call_command("export_organization", company.organization.slug, out=out, stdout=said)
    assert "1 notebooks" in said.getvalue()
    assert (out / "README.txt").exists()
    assert AuditEvent.objects.get(verb="organization.exported").actor is None
    with pytest.raises(CommandError, match="exists already"):
        call_command("export_organization", company.organization.slug, out=out)
    with pytest.raises(CommandError, match="no organization"):
        call_command("export_organization", "nobody", out=out)


def test_the_database_is_written_anew(company):
    said = io.StringIO()
    call_command("scrub", stdout=said)
    assert "written anew" in said.getvalue()
