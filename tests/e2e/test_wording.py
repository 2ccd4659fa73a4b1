"""What a text must and must not say, how long it may be: set in a cell, told to the model, and watched."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import servers
from tests.e2e.conftest import NARROW, Visits, shoot
from tests.e2e.test_chain import cell, check, menu, result, until_current
from tests.inference.engines import NOTES


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Web]:
    """Return an instance whose models note what they are asked."""
    with servers.temporary_folder() as folder:
        settings = "tests.e2e.wording_settings"
        web = servers.embedded(folder / "data", DJANGO_SETTINGS_MODULE=settings)
        web.start()
        yield web
        web.kill()


@pytest.fixture(scope="module")
def book(server: servers.Web) -> str:
    """Return the path of a notebook with one prompt cell, which reads a brief."""
    command = [sys.executable, "-m", "tests.e2e.chain_world"]
    done = subprocess.run(
        command, cwd=servers.ROOT, env=server.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return f"/n/{json.loads(done.stdout)['keys']}/"


def line(page: Page) -> Locator:
    """Return what is said under the text of the cell."""
    return cell(page, "claim").locator(".cell-wording")


def saved(page: Page) -> None:
    expect(page.locator("[data-save-state][data-kind=saved]")).to_be_visible()


def all_asked(visit: Visits) -> list[dict[str, Any]]:
    notes = visit.data_dir / NOTES
    return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []


def test_phrases_are_set_told_to_the_model_and_looked_for_while_people_write(
    visit: Visits, book: str
) -> None:
    mara = visit("mara", book)
    _set_both(mara)
    saved(mara)
    mara.reload()
    settings = menu(mara, "claim")
    expect(settings.get_by_label("Must say")).to_have_value("snooze button, $1,299.00")
    expect(settings.get_by_label("Must not say")).to_have_value("premium, must-have")
    check(mara, "phrases", narrow=False)  # it was placed for this width
    _take_back(mara, settings)
    expect(line(mara)).to_be_hidden()

    cell(mara, "claim").get_by_label("Write this cell").click()
    expect(line(mara)).to_have_text("Not said: snooze button, $1,299.00")
    until_current(mara)
    asked = all_asked(visit)[-1]
    assert asked["required"] == ["snooze button", "$1,299.00"]
    assert asked["banned"] == ["premium", "must-have"]
    assert asked["prompt"][-1] == (
        "\nFacts: snooze button, $1,299.00.\nWords to avoid: premium, must-have."
    )
    _write_over(mara)
    _beside_a_proposal(mara)


def _set_both(mara: Page) -> None:
    """Type both lists: leaving a field keeps what stands in it, and so does Enter."""
    settings = menu(mara, "claim")
    settings.get_by_label("Must say").fill("snooze  button\n$1,299.00, Snooze button, ")
    mara.keyboard.press("Tab")
    expect(settings.get_by_label("Must say")).to_have_value("snooze button, $1,299.00")
    expect(settings.get_by_label("Must not say")).to_be_focused()
    mara.keyboard.type(f"premium, {'y' * 81}")
    mara.keyboard.press("Enter")
    expect(settings).to_contain_text("20 phrases of 80 characters fit")
    shoot(mara, "chain/phrases-too-long")
    mara.keyboard.press("Control+A")
    mara.keyboard.type("premium")
    mara.keyboard.press("Shift+Enter")
    mara.keyboard.type("must-have")
    mara.keyboard.press("Enter")
    expect(settings).to_have_count(0)
    expect(cell(mara, "claim").get_by_label("Settings of the cell")).to_be_focused()


def _take_back(mara: Page, settings: Locator) -> None:
    """Escape closes the settings, and what was being typed is not kept."""
    settings.get_by_label("Must say").press("End")
    mara.keyboard.type(", wireless charging")
    mara.keyboard.press("Escape")
    expect(settings).to_have_count(0)
    expect(menu(mara, "claim").get_by_label("Must say")).to_have_value("snooze button, $1,299.00")
    mara.keyboard.press("Escape")


def _write_over(mara: Page) -> None:
    """The line comes and goes with the words."""
    keys = mara.keyboard
    check(mara, "not-said")
    result(mara, "claim").locator("p").first.click()
    keys.press("Control+A")
    keys.type("A Snooze")
    expect(line(mara)).to_have_text("Not said: snooze button, $1,299.00")
    keys.type(" button for $1,299.00")
    expect(line(mara)).to_be_hidden()
    keys.type(", premium")
    expect(line(mara)).to_have_text("Says: premium")
    for _letter in ", premium":
        keys.press("Backspace")
    expect(line(mara)).to_be_hidden()


def _beside_a_proposal(mara: Page) -> None:
    """What waits under the text and what is said of the text stand together."""
    mara.keyboard.press("Backspace")
    cell(mara, "brief").locator("p").click()
    mara.keyboard.press("End")
    mara.keyboard.type(", in blue")
    saved(mara)
    cell(mara, "claim").hover()
    cell(mara, "claim").get_by_label("Write this cell").click()
    proposal = cell(mara, "claim").locator(".cell-proposal")
    expect(proposal.get_by_text("Use this")).to_be_visible()
    expect(line(mara)).to_have_text("Not said: $1,299.00")
    shoot(mara, "chain/not-said-and-proposal")
    result(mara, "claim").locator("p").first.click()
    mara.keyboard.press("End")
    mara.keyboard.type("0")
    expect(line(mara)).to_be_hidden()
    expect(proposal.get_by_text("Use this")).to_be_visible()


def test_a_limit_is_set_told_to_the_model_and_watched_while_people_write(
    visit: Visits, book: str
) -> None:
    mara = visit("mara", book)
    _set_limit(mara)
    saved(mara)
    mara.reload()
    settings = menu(mara, "claim")
    expect(settings.get_by_label("At most")).to_have_value("280")
    expect(settings.get_by_label("What is counted")).to_have_value("characters")
    check(mara, "limit", narrow=False)  # it was placed for this width
    _take_back_limit(mara, settings)

    asked = _asked_anew(visit, mara)
    assert asked["length"] == {"unit": "characters", "low": 0, "high": 280}
    assert asked["prompt"][-1].endswith("\nAt most 280 characters.")
    _write_too_much(mara)
    _count_words(mara)


def _asked_anew(visit: Visits, mara: Page) -> dict[str, Any]:
    """Let the cell be written, whatever stands in it or waits beside it; return what the model was asked."""
    known = len(all_asked(visit))
    cell(mara, "claim").hover()
    cell(mara, "claim").get_by_label("Write this cell").click()
    for _wait in range(300):
        if len(all_asked(visit)) > known:
            break
        mara.wait_for_timeout(100)
    expect(cell(mara, "claim")).not_to_have_attribute("data-state", re.compile("next|writing"))
    return all_asked(visit)[-1]


def _set_limit(mara: Page) -> None:
    """Enter keeps a number that can be; the others stay in the field, with a word about them."""
    settings = menu(mara, "claim")
    expect(settings.get_by_label("At most")).to_have_value("")
    for typed in ("0", "10001", "2.5"):
        settings.get_by_label("At most").fill(typed)
        mara.keyboard.press("Enter")
        expect(settings).to_contain_text("A whole number from 1 to 10000 fits here.")
        expect(settings.get_by_label("At most")).to_have_value(typed)
    shoot(mara, "chain/limit-refused")
    mara.keyboard.press("Control+A")
    mara.keyboard.type("280")
    mara.keyboard.press("Enter")
    expect(settings).to_have_count(0)
    expect(cell(mara, "claim").get_by_label("Settings of the cell")).to_be_focused()


def _take_back_limit(mara: Page, settings: Locator) -> None:
    """Escape closes the settings, and the number that was being typed is not kept."""
    settings.get_by_label("At most").focus()
    mara.keyboard.type("9")
    mara.keyboard.press("Escape")
    expect(settings).to_have_count(0)
    expect(menu(mara, "claim").get_by_label("At most")).to_have_value("280")
    mara.keyboard.press("Escape")


def _write_too_much(mara: Page) -> None:
    """The line comes with the letter that is too much, and goes with it."""
    result(mara, "claim").locator("p").first.click()
    mara.keyboard.press("Control+A")
    mara.keyboard.type("Snooze button for $1,299.00 ")
    mara.keyboard.insert_text("x" * (280 - len("Snooze button for $1,299.00 ")))
    expect(line(mara)).to_be_hidden()
    mara.keyboard.type("yz")
    expect(line(mara)).to_have_text("Too long: 282 of 280 characters")
    check(mara, "too-long")
    for _letter in "yz":
        mara.keyboard.press("Backspace")
    expect(line(mara)).to_be_hidden()


def _count_words(mara: Page) -> None:
    """Another unit counts at once; without a number nothing is too long."""
    settings = menu(mara, "claim")
    settings.get_by_label("At most").fill("4")
    settings.get_by_label("What is counted").select_option("words")
    expect(line(mara)).to_have_text("Too long: 5 of 4 words")
    settings.get_by_label("At most").fill("")
    mara.keyboard.press("Tab")
    expect(line(mara)).to_be_hidden()
    mara.keyboard.press("Escape")


def test_settings_open_in_two_browsers_take_nothing_back_from_each_other(
    visit: Visits, book: str
) -> None:
    mara, again = visit("mara", book), visit("mara", book)
    here, there = menu(mara, "claim"), menu(again, "claim")
    here.get_by_label("Length").select_option("long")
    here.get_by_label("At most").fill("70")
    mara.keyboard.press("Enter")
    saved(mara)
    there.get_by_label("Variants").select_option("2")
    there.get_by_label("Must not say").fill("cheap")
    again.keyboard.press("Enter")
    saved(again)
    for page in (mara, again):
        page.reload()
        settings = menu(page, "claim")
        expect(settings.get_by_label("Length")).to_have_value("long")
        expect(settings.get_by_label("At most")).to_have_value("70")
        expect(settings.get_by_label("Variants")).to_have_value("2")
        expect(settings.get_by_label("Must not say")).to_have_value("cheap")


def test_the_settings_fit_a_phone(visit: Visits, book: str) -> None:
    mara = visit("mara", book, viewport=NARROW)
    settings = menu(mara, "claim")
    expect(settings.get_by_label("Must not say")).to_be_visible()
    check(mara, "phrases-narrow", narrow=False)
    assert mara.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = settings.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= NARROW["width"]
