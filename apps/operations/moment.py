"""Read many tables as they were at one moment, while everybody goes on writing."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_moment() -> Iterator[None]:
    """Let everything that is read in the block be of the moment at which it begins."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        yield from _on_sqlite()
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT 1")  # the snapshot is of the first statement
            yield


def _on_sqlite() -> Iterator[None]:
    """Begin a transaction that only reads: ours begin as writers, and there is one at a time."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            cursor.execute("SELECT count(*) FROM sqlite_schema")
            cursor.fetchone()
            yield
        finally:
            cursor.execute("ROLLBACK")
