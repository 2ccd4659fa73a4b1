"""A backup holds what was kept at its moment; a restore gives exactly that back, or changes nothing."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from PIL import Image as Picture

from apps.accounts.models import User
from apps.notebooks import mirrors
from apps.notebooks.models import Document, Image
from apps.notebooks.services import erasure
from apps.notebooks.services.images import add_image
from apps.notebooks.services.notebooks import delete_notebook, trash_notebook
from apps.operations import restore, selectors
from apps.operations.backup import Manifest, StoredFile, Table, write_backup
from apps.operations.models import Backup
from apps.organizations.models import AuditEvent
from tests import factories
from tests.inference.builders import deployment
from tests.notebooks import writers
from tests.notebooks.writers import chip, prompt_cell, text_cell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def book(company):
    deployment()
    editor = factories.member(company.brand)
    book = writers.notebook(
        company.launches,
        editor,
        text_cell("brief", "Grüße, 🎈 bar"),
        prompt_cell("tagline", chip("brief")),
    )
    writers.write(book, editor)
    out = io.BytesIO()
    Picture.new("RGB", (3, 2), "red").save(out, "PNG")
    add_image(notebook=book, by=editor, upload=SimpleUploadedFile("a.png", out.getvalue()))
    return book


@pytest.fixture
def backup(book, tmp_path):
    out = tmp_path / "one.backup"
    write_backup(out)
    return out


def manifest_of(path: Path) -> Manifest:
    with zipfile.ZipFile(path) as archive:
        return Manifest.parse(archive.read("manifest.json"))


def changed(source: Path, member: str, content: bytes | None) -> Path:
    """Return a copy of the backup with another content of one member, or without it."""
    target = source.with_name("changed.backup")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if name != member:
                new.writestr(name, old.read(name))
        if content is not None:
            new.writestr(member, content)
    return target


def hashes(path: Path, *, but: set[str]) -> dict[str, tuple[int, str]]:
    tables = manifest_of(path).tables
    return {one.table: (one.rows, one.sha256) for one in tables if one.table not in but}


def test_what_is_restored_is_what_was_kept(book, backup, tmp_path):
    image = Image.objects.get()
    picture = default_storage.open(image.file.name).read()
    text = writers.cells(book)["tagline"].text
    epoch = Document.objects.get(pk=book.pk).epoch
    trash_notebook(notebook=book, by=book.owner)
    delete_notebook(notebook=book, by=book.owner)
    factories.person("Came later")
    done = restore.restore_backup(backup, replace=True)
    mirrors.forget_all()
    assert writers.cells(book)["tagline"].text == text
    assert default_storage.open(image.file.name).read() == picture
    assert not User.objects.filter(name="Came later").exists()
    assert done.documents == 1
    assert Document.objects.get(pk=book.pk).epoch != epoch
    assert done.erased_since == [f"notebook.deleted {book.pk} "]
    assert AuditEvent.objects.get(verb="instance.restored").data["rows"] == done.manifest.row_count
    again = tmp_path / "two.backup"
    write_backup(again)
    moved = {"notebooks_document", "organizations_auditevent", "operations_backup"}
    assert hashes(again, but=moved) == hashes(backup, but=moved)


def test_people_write_on_after_a_restore(book, backup, company):
    restore.restore_backup(backup, replace=True)
    mirrors.forget_all()
    writers.type_result(book, book.owner, "tagline", "New words")
    assert writers.cells(book)["tagline"].text == "New words"
    factories.member(company.shops)  # sequences go on after the restored rows


def test_a_backup_says_what_it_holds_and_how_old_it_is(book, backup):
    before = timezone.now()
    manifest = manifest_of(backup)
    assert {"notebooks_docupdate", "inference_output", "auth_permission"} <= {
        one.table for one in manifest.tables
    }
    assert not {"django_session", "operations_export"} & {one.table for one in manifest.tables}
    assert [one.name for one in manifest.files] == [Image.objects.get().file.name]
    last = selectors.last_backup()
    assert last is not None
    assert last.file_name == "one.backup"
    assert (last.row_count, last.file_count) == (manifest.row_count, 1)
    assert last.started_at < last.finished_at < before
    assert str(last).startswith("backup of ")
    assert backup.stat().st_mode & 0o077 == 0


def test_a_file_that_goes_meanwhile_is_named(book, tmp_path):
    name = Image.objects.get().file.name
    default_storage.delete(name)
    out = tmp_path / "one.backup"
    write_backup(out)
    assert manifest_of(out).missing_files == [name]


def test_nothing_is_left_of_a_backup_that_failed(book, tmp_path, monkeypatch):
    monkeypatch.setattr(Manifest, "as_json", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_backup(tmp_path / "one.backup")
    assert list(tmp_path.iterdir()) == []
    assert not Backup.objects.exists()


def test_an_instance_with_people_is_not_overwritten_unasked(backup):
    with pytest.raises(restore.TargetNotEmpty, match="people in it"):
        restore.restore_backup(backup)


@pytest.mark.parametrize("content", [b"[]\n", None])
def test_a_table_that_is_not_as_written_is_refused(backup, content):
    with pytest.raises(restore.BackupDamaged, match="not as it was written"):
        restore.restore_backup(
            changed(backup, "tables/notebooks_docupdate.jsonl", content), replace=True
        )


@pytest.mark.parametrize("content", [b"", b"{}", b"{", None])
def test_a_file_without_a_manifest_is_refused(backup, content):
    with pytest.raises(restore.BackupDamaged, match="without a manifest"):
        restore.restore_backup(changed(backup, "manifest.json", content), replace=True)


def test_what_is_no_backup_is_refused(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"something else")
    with pytest.raises(restore.BackupDamaged, match="cut off"):
        restore.restore_backup(other)


@pytest.mark.parametrize("change", [{"format": 9}, {"migrations": [["notebooks", "0999_later"]]}])
def test_a_backup_of_a_later_version_is_refused(backup, change):
    written = {**json.loads(manifest_of(backup).as_json()), **change}
    newer = changed(backup, "manifest.json", json.dumps(written).encode())
    with pytest.raises(restore.BackupIsNewer):
        restore.restore_backup(newer, replace=True)


def test_rows_that_arrive_otherwise_are_found_and_nothing_is_changed(backup, monkeypatch):
    monkeypatch.setattr(restore.rows, "insert", lambda *_args: 0)
    with pytest.raises(restore.BackupDamaged, match="wanted"):
        restore.restore_backup(backup, replace=True)
    assert User.objects.exists()


def test_another_file_of_the_name_is_only_replaced_when_asked(backup):
    manifest = manifest_of(backup)
    name = manifest.files[0].name
    default_storage.delete(name)
    default_storage.save(name, ContentFile(b"other"))
    with zipfile.ZipFile(backup) as archive:
        with pytest.raises(restore.FileInTheWay):
            restore._write_files(archive, manifest, replace=False)
        restore._write_files(archive, manifest, replace=True)
        assert default_storage.open(name).read() == archive.read(f"files/{name}")


def test_a_file_that_is_stored_otherwise_is_found(backup, monkeypatch):
    manifest = manifest_of(backup)
    default_storage.delete(manifest.files[0].name)
    save = default_storage.save
    monkeypatch.setattr(
        default_storage, "save", lambda name, _file: save(name, ContentFile(b"cut off"))
    )
    with zipfile.ZipFile(backup) as archive, pytest.raises(restore.BackupDamaged, match="stored"):
        restore._write_files(archive, manifest, replace=False)


def test_an_older_backup_is_restored_and_brought_up_to_this_version(book, backup):
    """Leave out what the app of operations brought, as if it had been written before there was one."""
    manifest = manifest_of(backup)
    older = replace(
        manifest,
        migrations=[one for one in manifest.migrations if one[0] != "operations"],
        tables=[one for one in manifest.tables if not one.model.startswith("operations.")],
    )
    text = writers.cells(book)["tagline"].text
    restore.restore_backup(changed(backup, "manifest.json", older.as_json()), replace=True)
    mirrors.forget_all()
    assert writers.cells(book)["tagline"].text == text
    assert not Backup.objects.exists()


def test_the_commands_say_what_they_did(book, tmp_path):
    out = tmp_path / "one.backup"
    said = io.StringIO()
    call_command("backup", out=out, stdout=said)
    assert "rows, 1 files" in said.getvalue()
    with pytest.raises(CommandError, match="exists already"):
        call_command("backup", out=out)
    with pytest.raises(CommandError, match="no folder"):
        call_command("backup", out=tmp_path / "nowhere" / "one")
    with pytest.raises(CommandError, match="no file"):
        call_command("restore", source=tmp_path / "nothing")
    with pytest.raises(CommandError, match=r"Nothing was changed.*people in it"):
        call_command("restore", source=out)
    erasure.forget_past(notebook=book, by=None)
    said = io.StringIO()
    call_command("restore", source=out, replace=True, stdout=said)
    assert "every hash is as written" in said.getvalue()
    assert f"notebook.past_erased {book.pk}" in said.getvalue()


def test_files_that_were_missing_are_said(book, tmp_path):
    default_storage.delete(Image.objects.get().file.name)
    write_backup(tmp_path / "one")
    said = io.StringIO()
    call_command("restore", source=tmp_path / "one", replace=True, stdout=said)
    assert "deleted meanwhile" in said.getvalue()


def test_members_are_named_after_what_they_hold():
    table = Table(model="a.b", table="a_b", columns=[], rows=0, sha256="")
    assert table.member == "tables/a_b.jsonl"
    assert StoredFile(name="x/y.png", size_bytes=1, sha256="").member == "files/x/y.png"
    assert connection.vendor in {"sqlite", "postgresql"}
