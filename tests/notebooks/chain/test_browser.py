"""The chain's own JavaScript in node: marks that survive, words that stream, names and copies."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apps.notebooks.chain.references import as_name

ROOT = Path(__file__).resolve().parents[3]
SOURCES = Path(__file__).parent / "js"
WISHES = ["Tag line 2", "  Brief!  ", "", "42", "über uns", "a" * 60, "_x_", "A--B", "日本", "x_"]

pytestmark = pytest.mark.skipif(
    not (ROOT / "node_modules").is_dir(), reason="needs node_modules (make setup)"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that runs one of the scripts as one file and returns its JSON."""
    folder = tmp_path_factory.mktemp("bundles")

    def running(name: str, *words: int, sent: str = "") -> Any:
        target = folder / f"{name}.mjs"
        if not target.exists():
            build = [str(ROOT / "node_modules" / ".bin" / "esbuild"), str(SOURCES / f"{name}.js")]
            flags = ["--bundle", "--platform=node", "--format=esm", f"--outfile={target}"]
            subprocess.run([*build, *flags, "--log-level=error"], check=True, cwd=ROOT)
        command = ["node", str(target), *map(str, words)]
        done = subprocess.run(command, input=sent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return running


def survives(run: Any, seed: int, edits: int) -> None:
    found = run("survival", seed, edits)
    assert found["wrong"] == [], (seed, found["edits"])
    assert found["edits"] == edits
    assert found["marked"] > 50 < found["letters"]
    assert len(found["kinds"]) == 14


@pytest.mark.parametrize("seed", range(3))
def test_every_character_keeps_its_origin_through_random_edits(run: Any, seed: int) -> None:
    survives(run, seed, 250)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 120))
def test_every_character_keeps_its_origin_through_ten_thousand_edits(run: Any, seed: int) -> None:
    survives(run, seed, 500)


def test_streamed_words_are_those_that_were_written_whatever_is_lost(run: Any) -> None:
    found = run("texts", 7, 400)
    assert found["wrong"] == []
    assert found["disconnects"] > 1000
    assert found["gaps"] > 100


def test_browser_and_server_make_the_same_names(run: Any) -> None:
    assert run("names", sent=json.dumps(WISHES))["names"] == [as_name(wish) for wish in WISHES]


def test_a_pasted_cell_is_a_cell_of_its_own_and_the_old_one_stays_itself(run: Any) -> None:
    cells = run("names", sent="[]")["cells"]
    assert [name for _, name in cells] == ["brief_2", "post_2", "brief", "post"]
    assert [pk for pk, _ in cells[2:]] == ["1", "2"]
    assert len({pk for pk, _ in cells}) == 4
