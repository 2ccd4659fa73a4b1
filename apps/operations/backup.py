"""Write the whole instance into one file: rows of one moment, files, and a hash of each.

A ZIP that any tool opens. Left out: sessions, so that nobody who was signed out is signed in again by a
restore; exports and packages, which can be made anew; models on disk, which are copied like any large file.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.files.storage import default_storage
from django.db import connection, models
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from apps.operations import rows
from apps.operations.models import Backup
from apps.operations.moment import one_moment

FORMAT = 1
LEFT_OUT = {
    "sessions.session",
    "usersessions.usersession",
    "operations.export",
    "learning.package",
    "catalog.trial",  # forgotten after a day
}
PIECE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it lies in a backup."""

    model: str  # app_label.name
    table: str
    columns: list[str]
    rows: int
    sha256: str

    @property
    def member(self) -> str:
        """Return its name in the file."""
        return f"tables/{self.table}.jsonl"


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """An uploaded file as it lies in a backup."""

    name: str
    size_bytes: int
    sha256: str

    @property
    def member(self) -> str:
        """Return its name in the file."""
        return f"files/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup holds. Written last: a file without it is none."""

    format: int = FORMAT
    product: str = "InferenceCloud"
    started_at: str
    database: str
    migrations: list[list[str]]  # pairs of app and name
    tables: list[Table]
    files: list[StoredFile]
    missing_files: list[str] = field(default_factory=list)  # deleted while the backup was written

    def as_json(self) -> bytes:
        """Return the manifest as it is written."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def parse(cls, written: bytes) -> "Manifest":
        """Return the manifest of its JSON."""
        data: dict[str, Any] = json.loads(written)
        tables = [Table(**one) for one in data.pop("tables")]
        files = [StoredFile(**one) for one in data.pop("files")]
        return cls(**data, tables=tables, files=files)

    @property
    def row_count(self) -> int:
        """Return how many rows there are in all tables."""
        return sum(table.rows for table in self.tables)


def write_backup(out: Path) -> Backup:
    """Write the backup beside `out`, then put it in its place; note that there is one."""
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    started_at = timezone.now()
    try:
        with unfinished.open("xb") as raw:
            os.chmod(raw.fileno(), 0o600)
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
                manifest = _fill(archive, started_at)
            raw.flush()
            os.fsync(raw.fileno())
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return Backup.objects.create(
        file_name=out.name[:200],
        size_bytes=out.stat().st_size,
        row_count=manifest.row_count,
        file_count=len(manifest.files),
        sha256=hashlib.sha256(manifest.as_json()).hexdigest(),
        started_at=started_at,
    )


def _fill(archive: zipfile.ZipFile, started_at: datetime) -> Manifest:
    with one_moment():
        migrations = sorted(map(list, MigrationRecorder(connection).applied_migrations()))
        tables = [_write_table(archive, model) for model in models_kept()]
        names = sorted(file_names())
    files, missing = [], []
    for name in names:
        stored = _write_file(archive, name)
        files.append(stored) if stored else missing.append(name)
    manifest = Manifest(
        started_at=started_at.isoformat(),
        database=connection.vendor,
        migrations=migrations,
        tables=tables,
        files=files,
        missing_files=missing,
    )
    archive.writestr("manifest.json", manifest.as_json())
    return manifest


def models_kept() -> list[type[models.Model]]:
    """Return the models whose rows belong into a backup, in a lasting order."""
    every = apps.get_models(include_auto_created=True)
    kept = [
        model
        for model in every
        if model._meta.managed and not model._meta.proxy and model._meta.label_lower not in LEFT_OUT
    ]
    return sorted(kept, key=lambda model: model._meta.db_table)


def file_names() -> set[str]:
    """Return the names of all files that rows refer to."""
    found: set[str] = set()
    for model in models_kept():
        for one in model._meta.local_concrete_fields:
            if isinstance(one, models.FileField):
                found |= set(model._base_manager.values_list(one.attname, flat=True))
    return found - {"", None}


def _write_table(archive: zipfile.ZipFile, model: type[models.Model]) -> Table:
    digest = rows.Digest()
    name = model._meta.db_table
    with archive.open(f"tables/{name}.jsonl", "w", force_zip64=True) as member:
        for line in digest.through(rows.lines(model, rows.columns(model))):
            member.write(line)
    return Table(
        model=model._meta.label_lower,
        table=name,
        columns=rows.columns(model),
        rows=digest.rows,
        sha256=digest.sha256,
    )


def _write_file(archive: zipfile.ZipFile, name: str) -> StoredFile | None:
    """Add the file; None when it is gone."""
    digest, size = hashlib.sha256(), 0
    try:
        stored = default_storage.open(name, "rb")
    except FileNotFoundError:
        return None
    info = zipfile.ZipInfo(f"files/{name}")  # pictures are compressed already
    with stored, archive.open(info, "w", force_zip64=True) as member:
        for piece in _pieces(stored):
            digest.update(piece)
            size += len(piece)
            member.write(piece)
    return StoredFile(name=name, size_bytes=size, sha256=digest.hexdigest())


def _pieces(stored: Any) -> Iterator[bytes]:
    while piece := stored.read(PIECE):
        yield piece
