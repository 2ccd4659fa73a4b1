"""The slice of the fuzz, and the socket's own tests, on PostgreSQL and Redis of our own."""

import os
import subprocess
import sys

import pytest

from tests.servers import ROOT, Postgres, Redis, temporary_folder

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
FUZZ = "tests/notebooks/test_fuzz.py"


def test_the_same_holds_on_postgresql_and_redis() -> None:
    with temporary_folder() as folder:
        words = [FUZZ, "tests/notebooks/test_consumers.py"]
        run_on(Postgres(folder / "postgres"), Redis(folder), words, within_s=380)


@pytest.mark.prove
@pytest.mark.timeout(3700)
def test_the_long_runs_hold_on_postgresql_and_redis() -> None:
    with temporary_folder() as folder:
        run_on(Postgres(folder / "postgres"), Redis(folder), [FUZZ, "-m", "prove"], within_s=3600)


def run_on(postgres: Postgres, redis: Redis, chosen: list[str], *, within_s: float) -> None:
    try:
        postgres.start()
        redis.start()
        env = {
            **os.environ,
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url(0),
            "CHANNEL_REDIS_URL": redis.url(1),
            "CACHE_REDIS_URL": redis.url(2),
        }
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", *chosen]
        done = subprocess.run(
            words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=within_s, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    finally:
        redis.kill()
        postgres.kill()
