"""Erasure, export, backup and restore once more, on a PostgreSQL of our own."""

import os
import subprocess
import sys

import pytest

from tests.servers import ROOT, Postgres, temporary_folder

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
OFTEN = [
    "tests/notebooks/test_erasure.py",
    "tests/inference/test_indexes.py",
    "tests/console/test_metrics.py",
]
AT_LENGTH = [
    "tests/operations/test_backup.py",  # often, tests/faults/test_backup.py does it in production's shape
    "tests/operations/test_export.py",
    "tests/operations/test_retention.py",
    "tests/operations/test_erasing_pages.py",
    "tests/learning/test_packages.py",
]


@pytest.mark.parametrize(
    "files", [OFTEN, pytest.param(AT_LENGTH, marks=pytest.mark.prove)], ids=["often", "at length"]
)
def test_the_same_holds_on_postgresql(files: list[str]) -> None:
    with temporary_folder() as folder:
        postgres = Postgres(folder / "postgres")
        try:
            postgres.start()
            env = {**os.environ, "DATABASE_URL": postgres.url}
            words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", *files]
            done = subprocess.run(
                words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=380, check=False
            )
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        finally:
            postgres.kill()
