"""Look for words in everything that is kept: every column of every table, every file, and a dump."""

import base64
import gzip
import subprocess
import zlib
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from tests import servers


def spelled(word: str) -> dict[str, bytes]:
    """Return the word as it could lie in bytes."""
    plain = word.encode()
    found = {"plain": plain, "utf-16": word.encode("utf-16-le"), "hex": plain.hex().encode()}
    for shift in range(3):  # base64 spells a word in three ways, by where it begins
        whole = base64.b64encode(b"x" * shift + plain)
        found[f"base64+{shift}"] = whole[4 if shift else 0 : -4]
    return found


def places_of(*words: str) -> list[str]:
    """Return where any of the words is still found: table.column, or a file."""
    return _in_tables(words) + _in_files(words)


def _in_tables(words: tuple[str, ...]) -> list[str]:
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                found += [
                    f"{table}.{name}: {how} {word}"
                    for name, value in zip(names, row, strict=True)
                    for word in words
                    for how in _spellings_in(_bytes(value), word)
                ]
    return found


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        return raw + _unpacked(raw)
    return str(value).encode() if value is not None else b""


def _unpacked(raw: bytes) -> bytes:
    for unpack in (zlib.decompress, gzip.decompress):
        try:
            return unpack(raw)
        except (zlib.error, OSError, EOFError):
            continue
    return b""


def _spellings_in(raw: bytes, word: str) -> list[str]:
    return [how for how, spelling in spelled(word).items() if spelling in raw]


def _in_files(words: tuple[str, ...]) -> list[str]:
    return [
        f"{path.name}: {how} {word}"
        for path in _files()
        for word in words
        for how in _spellings_in(path.read_bytes(), word)
    ]


def _files() -> list[Path]:
    """Return the files of pictures and, on SQLite, of the database itself with its log."""
    media = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    if connection.vendor != "sqlite":
        return media
    database = Path(connection.settings_dict["NAME"])
    return media + [path for path in database.parent.glob(f"{database.name}*") if path.is_file()]


def dump() -> bytes:
    """Return what pg_dump says of the PostgreSQL database that the tests run on."""
    given = connection.settings_dict
    command = [servers.binary("pg_dump"), "--host", given["HOST"], "--port", str(given["PORT"])]
    command += ["--username", given["USER"], given["NAME"]]
    return subprocess.run(command, check=True, capture_output=True).stdout


def in_dump(*words: str) -> list[str]:
    """Return the words that a dump of PostgreSQL has; none with SQLite."""
    return [one for one in words if connection.vendor == "postgresql" and one.encode() in dump()]
