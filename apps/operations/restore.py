"""Read a backup into a fresh instance: checked before anything is touched, and again afterwards.

The tables are made as they were when the backup was written, filled, compared row by row with the
hashes, and only then brought up to this version. On PostgreSQL all that is one transaction; on SQLite it
happens in a file beside the database, which takes its place at the end. So a restore that fails leaves
everything as it was.
"""

import hashlib
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from apps.core.errors import DomainError
from apps.operations import rows
from apps.operations.backup import FORMAT, PIECE, Manifest, StoredFile, Table
from apps.organizations import audit
from apps.organizations.models import AuditEvent

ERASURES = [
    "notebook.deleted",
    "notebook.past_erased",
    "notebook.writing_erased",
    "output.erased",
    "record.erased",
    "person.erased",
]


class BackupDamaged(DomainError):
    """The file is no backup, or not as it was written."""


class BackupIsNewer(DomainError):
    """The backup was written by a later version than this one."""


class TargetNotEmpty(DomainError):
    """There are people in the instance already, and nobody said to replace it."""


class FileInTheWay(DomainError):
    """An uploaded file of another content has the name of one of the backup's."""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was restored, and which erasures since then have to be repeated."""

    manifest: Manifest
    documents: int  # that began a new epoch
    erased_since: list[str] = field(default_factory=list)


def restore_backup(source: Path, *, replace: bool = False) -> Restored:
    """Make the instance what the backup says.

    Raises:
        BackupDamaged: A hash is not as written, or the file is no backup.
        BackupIsNewer: Some of its migrations are not known here.
        TargetNotEmpty: There are people already, and `replace` is not set.
        FileInTheWay: A file of the same name has another content, and `replace` is not set.
    """
    with _opened(source) as archive:
        manifest = _checked(archive)
        if _has_people() and not replace:
            message = f"wanted an empty instance, got one with people in it ({_where()})"
            raise TargetNotEmpty(message)
        since = _erasures_since(manifest)
        fill = _fill_beside if connection.vendor == "sqlite" else _fill_in_place
        documents = fill(archive, manifest, replace=replace)
    call_command("migrate", verbosity=0, interactive=False)
    audit.record(
        verb="instance.restored",
        actor=None,
        organization=None,
        data={"of": manifest.started_at, "rows": manifest.row_count, "files": len(manifest.files)},
    )
    return Restored(manifest=manifest, documents=documents, erased_since=since)


@contextmanager
def _opened(source: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except zipfile.BadZipFile as broken:
        message = f"wanted a backup, got {source}, which is none or is cut off"
        raise BackupDamaged(message) from broken


def _checked(archive: zipfile.ZipFile) -> Manifest:
    """Return the manifest after comparing everything that it names with its hash."""
    try:
        manifest = Manifest.parse(archive.read("manifest.json"))
    except (KeyError, TypeError, ValueError) as broken:
        message = "wanted a backup, got a file without a manifest that can be read"
        raise BackupDamaged(message) from broken
    if manifest.format != FORMAT:
        message = f"wanted a backup of format {FORMAT}, got format {manifest.format}"
        raise BackupIsNewer(message)
    parts: list[Table | StoredFile] = [*manifest.tables, *manifest.files]
    for one in parts:
        if _hash_of(archive, one.member) != one.sha256:
            message = f"{one.member} is not as it was written"
            raise BackupDamaged(message)
    return manifest


def _hash_of(archive: zipfile.ZipFile, member: str) -> str:
    digest = hashlib.sha256()
    try:
        with archive.open(member) as stored:
            while piece := stored.read(PIECE):
                digest.update(piece)
    except KeyError:
        return ""
    return digest.hexdigest()


def _has_people() -> bool:
    tables = connection.introspection.table_names()
    if "accounts_user" not in tables:
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM accounts_user LIMIT 1")
        return cursor.fetchone() is not None


def _where() -> str:
    return str(connection.settings_dict["NAME"])


def _erasures_since(manifest: Manifest) -> list[str]:
    """Return what was erased here after the backup was written: a restore brings it back."""
    if "organizations_auditevent" not in connection.introspection.table_names():
        return []
    later = AuditEvent.objects.filter(verb__in=ERASURES, at__gt=manifest.started_at)
    found = later.order_by("at").values_list("verb", "target_id", "data")
    return [
        f"{verb} {target or data.get('output') or data.get('record') or ''} {data.get('person', '')}"
        for verb, target, data in found
    ]


def _fill_beside(archive: zipfile.ZipFile, manifest: Manifest, *, replace: bool) -> int:
    """Fill an SQLite file beside the database and put it in its place."""
    target = Path(_where())
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.restoring")
    _unlink(beside)
    connection.close()
    connection.settings_dict["NAME"] = str(beside)  # migrations write where everybody does
    try:
        documents = _fill(archive, manifest)
        _write_files(archive, manifest, replace=replace)
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        _unlink(target)
        beside.replace(target)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = str(target)
        _unlink(beside)
    return documents


def _unlink(database: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)


def _fill_in_place(archive: zipfile.ZipFile, manifest: Manifest, *, replace: bool) -> int:
    """Replace the tables of a PostgreSQL database within one transaction."""
    with transaction.atomic():
        _drop_tables()
        documents = _fill(archive, manifest)
        _write_files(archive, manifest, replace=replace)
    return documents


def _drop_tables() -> None:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '10s'")  # somebody still works with them
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE {quote(table)} CASCADE")


def _fill(archive: zipfile.ZipFile, manifest: Manifest) -> int:
    """Make the tables of then, fill and compare them, begin new epochs, come up to this version."""
    executor = MigrationExecutor(connection)
    targets = _targets(executor, manifest)
    state = executor.migrate(targets)
    registry = state.apps
    with transaction.atomic(), connection.cursor() as cursor:
        models = {table.model: registry.get_model(table.model) for table in manifest.tables}
        for model in models.values():  # migrations have written some
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608
        if connection.vendor == "postgresql":  # a migration before may have asked for the contrary
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in manifest.tables:
            with archive.open(table.member) as stored:
                rows.insert(models[table.model], table.columns, stored)
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models.values())):
            cursor.execute(statement)
        for table in manifest.tables:
            _compare(models[table.model], table)
        documents = _begin_epochs(registry)
        connection.check_constraints()
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    return documents


def _targets(executor: MigrationExecutor, manifest: Manifest) -> list[tuple[str, str]]:
    """Return the last migration of each app that the backup knew."""
    known = {(app, name) for app, name in manifest.migrations}
    graph = executor.loader.graph
    if unknown := sorted(known - graph.nodes.keys()):
        message = f"wanted migrations that this version has, got {unknown[0]} too"
        raise BackupIsNewer(message)
    return sorted(
        key
        for key in known
        if not any(
            child.key in known and child.key[0] == key[0] for child in graph.node_map[key].children
        )
    )


def _compare(model: Any, table: Table) -> None:  # a model of the history
    digest = rows.digest_of(model, table.columns)
    if (digest.rows, digest.sha256) != (table.rows, table.sha256):
        message = f"{table.table}: wanted {table.rows} rows as written, got {digest.rows} others"
        raise BackupDamaged(message)


def _begin_epochs(registry: Any) -> int:  # the apps of the history
    """Give every document a new epoch: browsers may have newer copies, which become forks."""
    documents = registry.get_model("notebooks", "Document")._base_manager
    names = {field.name for field in documents.model._meta.fields}
    nothing = {"redacted_at": None} if "redacted_at" in names else {}
    count = 0
    for pk in list(documents.values_list("pk", flat=True)):
        count += documents.filter(pk=pk).update(epoch=uuid.uuid4(), **nothing)
    return count


def _write_files(archive: zipfile.ZipFile, manifest: Manifest, *, replace: bool) -> None:
    for one in manifest.files:
        if default_storage.exists(one.name):
            if _stored_hash(one) == one.sha256:
                continue
            if not replace:
                message = f"wanted a free name for {one.name}, got another file there"
                raise FileInTheWay(message)
            default_storage.delete(one.name)
        with archive.open(one.member) as stored:
            default_storage.save(one.name, File(stored, name=one.name))
        if _stored_hash(one) != one.sha256:
            message = f"{one.name} was not stored as it was written"
            raise BackupDamaged(message)


def _stored_hash(one: StoredFile) -> str:
    digest = hashlib.sha256()
    with default_storage.open(one.name, "rb") as stored:
        while piece := stored.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()
