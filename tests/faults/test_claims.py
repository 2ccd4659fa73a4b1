"""Many threads and PostgreSQL: claims, commits, stops and the reconciler all at once."""

import json
import subprocess
import sys

from tests import servers


def test_threads_on_postgresql_never_write_a_step_twice_nor_wait_for_each_other() -> None:
    with servers.temporary_folder() as folder:
        postgres = servers.Postgres(folder / "postgres")
        try:
            postgres.start()
            env = servers.environment(folder / "data", DATABASE_URL=postgres.url, LOG_LEVEL="ERROR")
            done = subprocess.run(
                [sys.executable, "-m", "tests.faults.hammer"],
                cwd=servers.ROOT,
                env=env | {"DJANGO_SETTINGS_MODULE": "inferencecloud.settings.dev"},
                capture_output=True,
                text=True,
                check=False,
                timeout=100,
            )
        finally:
            postgres.kill()
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["errors"] == []
    assert found["unfinished"] == 0
    assert found["twice"] == 0
    assert found["succeeded"] + found["cancelled"] == found["runs"]
    assert found["lost"] == 0
