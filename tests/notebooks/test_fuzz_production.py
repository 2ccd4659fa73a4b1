"""The slice of the fuzz, and the socket's own tests, on PostgreSQL and Redis of our own."""

import os
import subprocess
import sys

import pytest

from tests.servers import ROOT, Postgres, Redis, temporary_folder

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


def test_the_same_holds_on_postgresql_and_redis() -> None:
    with temporary_folder() as folder:
        run_on(Postgres(folder / "postgres"), Redis(folder))


def run_on(postgres: Postgres, redis: Redis) -> None:
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
        files = ["tests/notebooks/test_fuzz.py", "tests/notebooks/test_consumers.py"]
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", *files]
        done = subprocess.run(
            words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=380, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    finally:
        redis.kill()
        postgres.kill()
