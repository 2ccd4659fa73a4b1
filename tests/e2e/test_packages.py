"""Examples that are too many for an answer, in a real browser: packed meanwhile, then taken along."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import servers
from tests.e2e.conftest import Visits
from tests.e2e.test_pages import look_at

LEARNING = "/o/alder-finch/learning/"


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Web]:
    """Return an instance with three texts that may be learned from, of which it packs one at once."""
    with servers.temporary_folder() as folder:
        settings = "tests.e2e.packing_settings"
        web = servers.embedded(folder / "data", DJANGO_SETTINGS_MODULE=settings)
        web.start()
        command = [sys.executable, "-m", "tests.e2e.packing_world"]
        subprocess.run(command, cwd=servers.ROOT, env=web.env, check=True)
        yield web
        web.kill()


def ask_for_the_examples(noor: Page) -> None:
    noor.get_by_role("button", name="Download", exact=True).click()
    noor.get_by_role("button", name="Download the zip").click()
    expect(noor.locator("h1")).to_have_text("Files to train on")


def test_a_steward_asks_for_many_examples_closes_the_page_and_fetches_them_later(
    visit: Visits,
) -> None:
    noor = visit("noor", f"{LEARNING}files/")
    expect(noor.get_by_text("No file yet")).to_be_visible()
    look_at(noor, "learning-files-empty")
    noor.goto(LEARNING)
    ask_for_the_examples(noor)
    noor.goto(LEARNING)  # elsewhere meanwhile
    noor.goto(f"{LEARNING}files/")
    row = noor.locator("#packages li")
    fetch = row.get_by_role("link", name="Download")  # htmx looks again by itself
    expect(fetch).to_be_visible(timeout=30_000)
    expect(row).to_contain_text("6 examples")  # of each text one to imitate and one to prefer
    expect(row).to_contain_text("Noor")
    look_at(noor, "learning-files")
    with noor.expect_download() as waiting:
        fetch.click()
    assert waiting.value.suggested_filename == "alder-finch-learning.zip"
    with zipfile.ZipFile(waiting.value.path()) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert sum(manifest["splits"].values()) == 6


def test_nobody_but_stewards_sees_the_files(visit: Visits, server: servers.Web) -> None:
    visit.recorder.excuse("status of 40[34]")
    mara = visit("mara")
    answer = mara.goto(f"{server.url}{LEARNING}files/")
    assert answer is not None
    assert answer.status in {403, 404}
