"""Bring database, browser files and demo to where this version of the code wants them."""

import fcntl
import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def is_outdated() -> bool:
    """Say whether the database lacks a migration (a new one lacks them all)."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def migrate() -> None:
    """Apply what is missing."""
    call_command("migrate", verbosity=0, interactive=False)


def has_people() -> bool:
    """Say whether anybody can sign in."""
    return get_user_model().objects.exists()


def collect_static() -> bool:
    """Copy the browser's files under hashed names, unless that was done for these very files."""
    root = Path(settings.STATIC_ROOT)
    stamp = root / ".collected"
    wanted = _fingerprint()
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Nothing is cleared: another process may serve the names of an earlier build to open tabs.
        call_command("collectstatic", verbosity=0, interactive=False)
        stamp.write_text(wanted)
    return True


def _fingerprint() -> str:
    """Return a hash of name, size and time of everything that would be collected."""
    digest = hashlib.sha256(settings.STORAGES["staticfiles"]["BACKEND"].encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = Path(storage.path(path)).stat()
            digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()
