"""The pictures of the README, taken from the running product: copy them to docs/screenshots."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Recorder, Visits, shoot
from tests.e2e.test_collaboration import NO_CONNECTION
from tests.e2e.test_real_engine import CHAIN, WHOLE_CHAIN_MS, press_update
from tests.e2e.writing import PLAN, open_editor, wait_for_words

pytestmark = pytest.mark.prove
DESK = {"width": 1280, "height": 800}


def test_two_people_in_one_notebook(visit: Visits) -> None:
    mara = visit("mara", visit.notebook(PLAN), viewport=DESK, device_scale_factor=2)
    tomas = visit("tomas", visit.notebook(PLAN), viewport=DESK)
    open_editor(mara)
    open_editor(tomas)
    mara.locator(".toast-note button").click()
    tomas.locator(".ProseMirror p", has_text="One page, updated by everybody").click()
    tomas.keyboard.press("End")
    tomas.keyboard.type(" Retail prints on Thursday.")
    wait_for_words(mara, "Retail prints on Thursday.")
    expect(mara.locator(".caret-name")).to_be_visible()
    shoot(mara, "readme/notebook")


def test_a_chain_that_the_starter_writes(visit: Visits) -> None:
    page = visit("mara", visit.notebook(CHAIN), viewport=DESK, device_scale_factor=2)
    page.locator(".toast-note button").click()
    press_update(page)
    expect(page.locator("[data-chain-update]")).to_be_hidden(timeout=WHOLE_CHAIN_MS)
    expect(page.locator(".cell-overlay")).to_have_count(0)
    shoot(page, "readme/chain")


def test_the_list_by_night(visit: Visits) -> None:
    page = visit("mara", viewport=DESK, device_scale_factor=2, color_scheme="dark")
    page.locator(".toast-note button").click()
    expect(page.locator(".toast-note")).to_have_count(0)
    shoot(page, "readme/list")


def test_sharing(visit: Visits) -> None:
    page = visit("mara", visit.notebook(PLAN), viewport=DESK, device_scale_factor=2)
    open_editor(page)
    page.locator(".toast-note button").click()
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.locator("#share-body form").first).to_be_visible()
    shoot(page, "readme/share")


def test_writing_offline_on_a_phone(visit: Visits, recorder: Recorder) -> None:
    recorder.excuse(NO_CONNECTION)
    page = visit(
        "mara",
        visit.notebook(PLAN),
        viewport={"width": 390, "height": 800},
        device_scale_factor=2,
    )
    open_editor(page)
    page.locator(".toast-note button").click()
    page.locator(".ProseMirror h2", has_text="Seven weeks").click()
    page.keyboard.press("End")
    page.context.set_offline(True)
    page.keyboard.type(", at 08:00")
    expect(page.locator("[data-save-state][data-kind=offline]")).to_be_visible()
    expect(page.get_by_role("button", name="Share")).to_be_in_viewport(ratio=1)
    shoot(page, "readme/offline")
