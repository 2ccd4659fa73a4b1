"""Every key that settings read from the environment is described, and nothing else is."""

import re
from pathlib import Path

DOCUMENT = Path("docs/configuration.md")
READ = re.compile(r"\benv(?:\.[a-z_]+)?\(\s*\"([A-Z][A-Z0-9_]*)\"")
READ_ELSEWHERE = re.compile(r"os\.environ(?:\.get)?[\[(]\s*\"([A-Z][A-Z0-9_]*)\"")
FIRST_CELL = re.compile(r"^\|([^|]*)\|", re.MULTILINE)
NAME = re.compile(r"`([A-Z][A-Z0-9_]*)`")


def _read() -> set[str]:
    settings = "\n".join(file.read_text() for file in Path("inferencecloud/settings").glob("*.py"))
    return set(READ.findall(settings))


def _described() -> set[str]:
    cells = FIRST_CELL.findall(DOCUMENT.read_text())
    return {name for cell in cells for name in NAME.findall(cell)}


def test_settings_read_keys_at_all() -> None:
    assert {"DATABASE_URL", "DATA_DIR", "SECRET_KEY"} <= _read()


def test_every_key_is_described() -> None:
    assert _read() <= _described()


def test_no_app_reads_the_environment_by_itself() -> None:
    found = {
        str(file): keys
        for folder in ("apps", "inferencecloud")
        for file in Path(folder).rglob("*.py")
        if (keys := set(READ_ELSEWHERE.findall(file.read_text())))
    }
    described = _described()
    assert {file: keys - described for file, keys in found.items() if keys - described} == {}
