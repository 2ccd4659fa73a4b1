"""The whole loop once, in real browsers: brief, chain, edits, settling, files, and a training step."""

import json
import math
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import servers
from tests.e2e.conftest import Visits, shoot
from tests.e2e.test_chain import cell, menu, result, until_current, update
from tests.e2e.test_pages import look_at
from tests.e2e.writing import wait_until_saved
from tests.learning.training import load, train_one_step

LEARNING = "/o/alder-finch/learning/"
ADDED = "and we mean it when we say that slow is good"


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Web]:
    """Return an instance whose models are quick."""
    with servers.temporary_folder() as folder:
        web = servers.embedded(folder / "data", DJANGO_SETTINGS_MODULE="tests.e2e.golden_settings")
        web.start()
        yield web
        web.kill()


@pytest.fixture
def notebook(server: servers.Web) -> str:
    """Return the path of a notebook with a brief and four cells, each reading the one before."""
    command = [sys.executable, "-m", "tests.e2e.chain_world"]
    done = subprocess.run(
        command, cwd=servers.ROOT, env=server.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return f"/n/{json.loads(done.stdout)['four']}/"


def test_from_a_brief_to_a_training_step(visit: Visits, notebook: str, tmp_path: Path) -> None:
    mara = visit("mara", notebook)
    _write_the_brief(mara)
    update(mara, 4)
    until_current(mara)
    draft = result(mara, "tagline").inner_text()

    _edit_the_tagline(mara)
    for name in ("tagline", "message"):
        menu(mara, name).get_by_text("Release for other divisions").click()
        expect(cell(mara, name)).to_contain_text("Released 1")
    _download_the_notebook(mara)

    noor = visit("noor", LEARNING)
    _look_at_the_difference(noor, draft)
    folder = _take_along(noor, tmp_path)
    _train(folder, draft)


def _write_the_brief(mara: Page) -> None:
    cell(mara, "brief").locator("p").click()
    mara.keyboard.press("End")
    mara.keyboard.type(" that takes its time")
    wait_until_saved(mara)


def _edit_the_tagline(mara: Page) -> None:
    result(mara, "tagline").locator("p").last.click()
    mara.keyboard.press("End")
    for _word in range(4):  # the full stop is one
        mara.keyboard.press("Control+Backspace")
    mara.keyboard.type(ADDED)
    wait_until_saved(mara)


def _download_the_notebook(mara: Page) -> None:
    mara.locator("[data-of-notebook] > summary").click()
    with mara.expect_download():
        mara.locator("[data-notebook-action=markdown]").first.click()


def _look_at_the_difference(noor: Page, draft: str) -> None:
    """The page fills while workers settle what was downloaded; then filters and the difference."""
    rows = noor.locator(".learned")
    for _again in range(60):
        if rows.filter(has_text="Downloaded").count() == 2:
            break
        noor.wait_for_timeout(500)
        noor.reload()
    expect(rows.filter(has_text="Downloaded")).to_have_count(2)
    expect(rows).to_have_count(4)
    look_at(noor, "learning")
    noor.get_by_label("What became of it").select_option("Released")
    expect(rows).to_have_count(2)
    noor.get_by_label("Kept at most, in per cent").fill("95")
    noor.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(rows.locator(".learned-name")).to_have_text("tagline")
    expect(rows.locator("ins")).to_contain_text("we mean it")
    expect(rows).to_contain_text("edited by Mara Lindqvist")
    noor.get_by_label("May be learned from").select_option("Yes")
    expect(rows).to_have_count(1)
    rows.locator(".learned-name").click()
    expect(noor.locator("h1")).to_have_text("tagline")
    expect(noor.locator(".word-diff").first).to_contain_text(draft[:20])
    expect(noor.locator(".asked-source")).to_contain_text("that takes its time")
    look_at(noor, "learning-output")
    noor.goto(LEARNING)


def _take_along(noor: Page, folder: Path) -> Path:
    noor.get_by_role("button", name="Download", exact=True).click()
    expect(noor.get_by_text("nobody has reviewed the examples")).to_be_visible()
    shoot(noor, "pages/learning-download")
    with noor.expect_download() as waiting:
        noor.get_by_role("button", name="Download the zip").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        archive.extractall(folder)
    return folder


def _train(folder: Path, draft: str) -> None:
    """What was edited is imitated and preferred; what went out untouched is good."""
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sum(manifest["splits"].values()) == 6
    [pair] = load(folder, "dpo")
    wanted = next(one for one in load(folder, "sft") if one["completion"] == pair["chosen"])
    assert pair["rejected"][0]["content"].strip() == draft.strip()
    assert pair["chosen"][0]["content"].endswith(ADDED)
    assert "that takes its time" in wanted["prompt"][-1]["content"]
    assert list(load(folder, "kto")["label"]) == [True, True, True]
    for kind in ("sft", "dpo"):
        assert math.isfinite(train_one_step(folder, kind)["train_loss"])
