"""Rows of a table as lines of JSON, and back: the same from SQLite and from PostgreSQL.

The rows go through the fields of the models, not through a tool of the database: so a backup needs no
program of the right version beside it, and what was written on a laptop can be restored to a server.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, models

CHUNK = 1000
Model = type[models.Model]


def columns(model: Model) -> list[str]:
    """Return the columns of the model's own table."""
    return [str(field.column) for field in model._meta.local_concrete_fields]


def _fields(model: Model, named: list[str]) -> list[Any]:  # of models, as Django documents them
    """Return the fields of the columns; the models of a migration have theirs in another order."""
    by_column = {field.column: field for field in model._meta.local_concrete_fields}
    return [by_column[name] for name in named]


def lines(model: Model, named: list[str]) -> Iterator[bytes]:
    """Yield every row, in the order of its key, as a line of these columns."""
    names = [field.attname for field in _fields(model, named)]
    rows = model._base_manager.order_by("pk").values_list(*names)
    for row in rows.iterator(CHUNK):
        values = [_plain(value) for value in row]
        yield json.dumps(values, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _plain(value: Any) -> Any:  # whatever a field gives
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    return value


def insert(model: Model, named: list[str], written: Iterable[bytes]) -> int:
    """Insert the rows of the lines; return how many there were."""
    fields = _fields(model, named)
    quote = connection.ops.quote_name
    names = ", ".join(map(quote, named))
    places = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608
    count = 0
    remaining = iter(written)
    with connection.cursor() as cursor:
        while some := list(islice(remaining, CHUNK)):
            cursor.executemany(statement, [_prepared(fields, line) for line in some])
            count += len(some)
    return count


def _prepared(fields: Iterable[Any], line: bytes) -> list[Any]:  # fields of a model
    return [
        field.get_db_prep_save(_value(field, value), connection)
        for field, value in zip(fields, json.loads(line), strict=True)
    ]


def _value(field: Any, value: Any) -> Any:
    """Return the field's value for what a line says; foreign keys go by the key that they lead to."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if value is None:
        return None
    if isinstance(field, models.BinaryField):
        return base64.b64decode(value)
    if isinstance(field, models.JSONField):
        return value
    return field.to_python(value)


class Digest:
    """Counts lines and hashes them on their way."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def through(self, written: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the lines as they are."""
        for line in written:
            self.rows += 1
            self._hash.update(line)
            yield line

    @property
    def sha256(self) -> str:
        """Return the hash of what has passed."""
        return self._hash.hexdigest()


def digest_of(model: Model, named: list[str]) -> Digest:
    """Return the digest of a table as it stands."""
    digest = Digest()
    for _line in digest.through(lines(model, named)):
        pass
    return digest
