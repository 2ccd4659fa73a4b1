"""What people think of results, and what may be learned from them, in a real browser."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import servers
from tests.e2e.conftest import Visits, shoot
from tests.e2e.test_chain import check

OFFLINE = r"ERR_INTERNET_DISCONNECTED"


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Web]:
    """Return an instance whose models cost nothing."""
    with servers.temporary_folder() as folder:
        web = servers.embedded(folder / "data", DJANGO_SETTINGS_MODULE="tests.e2e.chain_settings")
        web.start()
        yield web
        web.kill()


@pytest.fixture(scope="module")
def four(server: servers.Web) -> str:
    """Return the path of a notebook with a chain, which mara manages and tomas runs."""
    command = [sys.executable, "-m", "tests.e2e.chain_world"]
    done = subprocess.run(
        command, cwd=servers.ROOT, env=server.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return f"/n/{json.loads(done.stdout)['four']}/"


def cell(page: Page, name: str) -> Locator:
    return page.locator(f'.cell[aria-label="{name}"]')


def thumb(page: Page, name: str) -> Locator:
    """Return the button that begins with these words: what it says depends on the verdict."""
    verdict = cell(page, "tagline").locator(".cell-verdict")
    return verdict.get_by_role("button", name=re.compile(f"^{name}"))


def reasons(page: Page) -> Locator:
    return page.locator(".block-menu:visible")


def test_thumbs_and_the_notebook_s_switch_and_a_download_without_a_connection(
    visit: Visits, four: str
) -> None:
    visit.recorder.excuse(OFFLINE)
    mara, tomas = visit("mara", four), visit("tomas", four)
    cell(mara, "tagline").hover()
    cell(mara, "tagline").get_by_label("Write this cell").click()
    expect(cell(mara, "tagline").locator(".cell-result .output")).not_to_have_count(0)
    expect(cell(mara, "brief").locator(".cell-verdict")).to_have_count(0)
    _thumbs(mara, tomas)
    _switch(mara, tomas)
    _download(mara)
    _noted(visit("jonas"))


def _thumbs(mara: Page, tomas: Page) -> None:
    cell(mara, "tagline").hover()
    shoot(mara, "learning/thumbs")
    thumb(mara, "Good").click()
    expect(thumb(mara, "You said: good")).to_have_attribute("aria-pressed", "true")

    # Not good after all, by keyboard, and why.
    thumb(mara, "Not good").focus()
    mara.keyboard.press("Enter")
    expect(reasons(mara)).to_contain_text("Not our voice")
    check(mara, "learning-reasons", narrow=False)
    mara.keyboard.press("ArrowDown")
    mara.keyboard.press("Enter")
    down = thumb(mara, "You said: not good")
    expect(down).to_be_focused()
    mara.keyboard.press("Enter")
    voice = reasons(mara).get_by_role("menuitemcheckbox", name="Not our voice")
    expect(voice).to_have_attribute("aria-checked", "true")
    mara.keyboard.press("Escape")

    mara.reload()
    expect(down).to_have_attribute("aria-pressed", "true")
    mara.mouse.move(5, 5)
    shoot(mara, "learning/given")
    expect(thumb(tomas, "Not good")).to_have_attribute("aria-pressed", "false")

    down.click()
    reasons(mara).get_by_text("Take it back").click()
    expect(thumb(mara, "Not good")).to_have_attribute("aria-pressed", "false")


def _menu(page: Page) -> Locator:
    page.get_by_label("More", exact=True).click()
    return page.locator(".menu-sheet:visible")


def _switch(mara: Page, tomas: Page) -> None:
    menu = _menu(mara)
    switch = menu.get_by_role("switch", name="Do not learn from this notebook")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(menu).to_contain_text("Nothing written here is used")
    check(mara, "learning-switch")
    tomas.reload()
    expect(_menu(tomas)).to_contain_text("Nothing is learned from this notebook")
    expect(tomas.get_by_role("switch")).to_have_count(0)
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(switch).to_be_focused()
    mara.keyboard.press("Escape")
    expect(mara.locator(".menu-sheet:visible")).to_have_count(0)


def _download(mara: Page) -> None:
    mara.context.set_offline(True)
    with mara.expect_download() as download:
        _menu(mara).get_by_text("Download as text").click()
    assert download.value.suggested_filename == "Four in a row.txt"
    expect(mara.locator("[data-save-state][data-kind=offline]")).to_be_visible()
    with mara.expect_response("**/downloaded/") as told:
        mara.context.set_offline(False)
    assert told.value.status == 204
    mara.reload()
    assert (
        mara.evaluate("Object.keys(localStorage).filter((key) => key.includes('downloads:'))") == []
    )


def _noted(jonas: Page) -> None:
    jonas.goto(f"{jonas.url.split('/notebooks/')[0]}/audit/")
    page = jonas.locator("main")
    for words in ("downloaded a notebook", "said what they think", "let nothing be learned"):
        expect(page).to_contain_text(words)


def test_a_person_says_that_nothing_is_learned_from_what_they_write(visit: Visits) -> None:
    mara = visit("mara", "/settings/learning/")
    expect(mara.get_by_text("What you write may be learned from")).to_be_visible()
    check(mara, "learning-oneself")
    mara.get_by_role("button", name="Do not learn").click()
    expect(
        mara.locator("main").get_by_text("Nothing is learned from what you write")
    ).to_be_visible()
    check(mara, "learning-oneself-denied")
    mara.get_by_role("button", name="Allow it again").click()
    expect(mara.locator("main").get_by_text("What you write may be learned from")).to_be_visible()
