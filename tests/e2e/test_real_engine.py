"""The demo as somebody tries it: the starter model writes a chain, in the engine that ships, for two."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visits, shoot
from tests.e2e.test_chain import arriving, cell, result, text
from tests.e2e.writing import wait_until_equal

CHAIN = "Finch Backpack: from brief to texts"
WRITTEN = ("short", "x_post", "post", "newsletter")
WHOLE_CHAIN_MS = 120_000  # the first use loads the model, beside whatever else the machine does


@pytest.fixture
def path(visit: Visits) -> str:
    return visit.notebook(CHAIN)


def press_update(page: Page) -> None:
    button = page.locator("[data-chain-update]")
    expect(button).to_contain_text(re.compile(r"Update \d"))
    button.click()


def test_two_people_see_the_starter_write_the_chain(visit: Visits, path: str) -> None:
    mara, tomas = visit("mara", path), visit("tomas", path)

    press_update(mara)

    for page in (mara, tomas):
        expect(arriving(page, "newsletter")).to_contain_text(" ", timeout=WHOLE_CHAIN_MS)
    shoot(tomas, "real-engine/writing")
    for page in (mara, tomas):
        expect(page.locator(".cell-overlay")).to_have_count(0, timeout=WHOLE_CHAIN_MS)
        expect(page.locator("[data-chain-update]")).to_be_hidden()
    wait_until_equal(mara, tomas)
    for name in WRITTEN:
        expect(cell(mara, name)).to_have_attribute("data-state", "current")
        assert len(text(result(mara, name)).split()) >= 3, f"{name}: {text(result(mara, name))!r}"
        assert text(result(mara, name)) == text(result(tomas, name))
    shoot(mara, "real-engine/written")
