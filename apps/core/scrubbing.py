"""See to it that what was erased is gone from the files of the database, too.

SQLite overwrites deleted content (`secure_delete`, settings/base.py), but its log still has the pages
as they were: it is emptied. PostgreSQL keeps old versions of rows until VACUUM, and their bytes until
the page is written anew: `manage.py scrub` does that, for it locks tables (docs/backup.md).
"""

import logging

from django.db import DatabaseError, connection, transaction

logger = logging.getLogger(__name__)


def after_commit() -> None:
    """Empty the log of an SQLite database once the transaction is committed."""
    transaction.on_commit(empty_log, robust=True)


def empty_log() -> bool:
    """Write the log back into the database and cut it off; say whether nothing of it is left."""
    if connection.vendor != "sqlite":
        return True
    try:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            is_busy, _pages, _moved = cursor.fetchone()
    except DatabaseError as problem:
        logger.warning("the log of the database could not be emptied: %s", problem)
        return False
    return not is_busy
