"""Somebody in a hurry, without a mouse, or with a copy that is too large: nothing is lost, all is said."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import visitors
from tests.e2e.conftest import Recorder, Visits, shoot
from tests.e2e.test_collaboration import NO_CONNECTION
from tests.e2e.test_pages import AXE, GRAVE, SETTLED
from tests.e2e.test_real_engine import CHAIN, WHOLE_CHAIN_MS, press_update
from tests.e2e.writing import (
    COPY,
    PLAN,
    begin_paragraph,
    blank,
    marker,
    open_editor,
    wait_for_words,
    wait_until_saved,
)

FARTHEST = 80  # stops of the Tab key on a page


def _forget_what_was_deleted(page: Page) -> None:
    page.get_by_label("More", exact=True).click()
    page.get_by_role("button", name="Forget what was deleted…").click()
    page.get_by_role("button", name="Forget it").click()
    expect(page.get_by_text("is forgotten")).to_be_visible()


def test_a_copy_that_the_server_cannot_take_stays_here_and_can_be_downloaded(
    visit: Visits, recorder: Recorder
) -> None:
    recorder.excuse(NO_CONNECTION)
    recorder.excuse("status of 413")
    recorder.excuse("status of 409")  # told over HTTP, where the page comes back without a socket
    path = visit.notebook(COPY)
    mara, tomas = visit("mara", path), visit("tomas", path)
    begin_paragraph(mara, f"{marker()} ")
    wait_until_saved(mara)
    too_large = {"reason": "This is too large."}
    mara.route("**/fork/", lambda route: route.fulfill(status=413, json=too_large))
    only_here = marker()
    mara.context.set_offline(True)
    mara.keyboard.type(only_here)
    expect(mara.locator("[data-save-state][data-kind=offline]")).to_be_visible()
    open_editor(tomas)
    _forget_what_was_deleted(tomas)

    mara.context.set_offline(False)

    notice = mara.get_by_text("is too large for the server")
    expect(notice).to_be_visible()
    expect(mara.locator(".ProseMirror")).to_have_attribute("contenteditable", "false")
    wait_for_words(mara, only_here)
    mara.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    expect(notice).to_be_in_viewport()
    shoot(mara, "too-large")
    with mara.expect_download() as saved:
        mara.locator(".notice").get_by_role("button", name="Download").click()
    assert only_here in saved.value.path().read_text()
    mara.reload()
    expect(notice).to_be_visible()
    wait_for_words(mara, only_here)


def test_what_two_tabs_write_offline_is_kept_both(visit: Visits, recorder: Recorder) -> None:
    recorder.excuse(NO_CONNECTION)
    first = blank(visit)
    second = first.context.new_page()
    second.goto(first.url)
    open_editor(second)
    one, two = marker(), marker()

    first.context.set_offline(True)
    begin_paragraph_offline(first, one)
    begin_paragraph_offline(second, two)
    second.wait_for_timeout(500)  # the copy on the device is written
    second.close()
    first.context.set_offline(False)

    wait_for_words(first, one, two)
    wait_until_saved(first)
    again = visit("mara", first.url)
    wait_for_words(again, one, two)


def test_update_without_a_network_says_so_and_works_afterwards(
    visit: Visits, recorder: Recorder
) -> None:
    recorder.excuse(NO_CONNECTION)
    page = visit("mara", visit.notebook(CHAIN))
    update = page.locator("[data-chain-update]")
    expect(update).to_contain_text("Update 4")
    expect(update).to_be_visible()
    page.context.set_offline(True)

    update.click()

    expect(page.get_by_text("The server was not reached")).to_be_visible()
    shoot(page, "unreached")
    page.context.set_offline(False)
    press_update(page)
    expect(update).to_be_hidden(timeout=WHOLE_CHAIN_MS)


def begin_paragraph_offline(page: Page, words: str) -> None:
    """Write at the end of a document that cannot be saved now."""
    page.locator(".ProseMirror > *").last.click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.type(words)


def go_to(wanted: Locator, key: str = "Tab") -> None:
    """Press the key until the focus is there."""
    page = wanted.page
    for _ in range(FARTHEST):
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{wanted} is not reached by {key}")


def test_from_the_door_to_a_shared_notebook_by_keyboard_alone(visit: Visits) -> None:
    page = visit(path="/accounts/login/")
    account = visitors.demo_accounts(visit.data_dir)["mara"]
    go_to(page.locator("#id_login"))
    page.keyboard.type(account.email)
    go_to(page.locator("#id_password"))
    page.keyboard.type(account.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/notebooks/**")

    go_to(page.locator("#main").get_by_role("link", name=PLAN).first)
    page.keyboard.press("Enter")
    editor = open_editor(page)
    go_to(editor)
    words = marker()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.type(words)
    wait_until_saved(page)

    share = page.get_by_role("button", name="Share", exact=True).first
    go_to(share, "Shift+Tab")
    page.keyboard.press("Enter")
    who = page.locator("#share-who")
    expect(who).to_be_focused()
    page.keyboard.type("noor")
    found = page.locator("#suggestions button").first
    expect(found).to_be_visible()
    go_to(found)
    page.keyboard.press("Enter")
    expect(found).to_have_count(0)
    expect(page.locator("#sharing")).to_contain_text("Noor Haddad")
    shoot(page, "keyboard-shared")
    page.keyboard.press("Escape")
    expect(share).to_be_focused()


def _slash(page: Page) -> Locator:
    page.keyboard.type("/")
    return page.get_by_role("listbox")


def _table(page: Page) -> Locator:
    page.keyboard.type("/table\n")
    page.get_by_role("toolbar", name="Table").get_by_role("button").click()
    return page.get_by_role("menuitem", name="Row below")


def _words(page: Page) -> Locator:
    page.keyboard.type("Words to choose")
    page.keyboard.press("Shift+Home")
    return page.get_by_role("toolbar")


def _more(page: Page) -> Locator:
    page.get_by_label("More", exact=True).click()
    return page.get_by_role("button", name="Download as Markdown")


def _share(page: Page) -> Locator:
    page.get_by_role("button", name="Share", exact=True).first.click()
    return page.locator("#share-who")


def _keys(page: Page) -> Locator:
    page.get_by_label("More", exact=True).click()
    page.get_by_role("button", name="Keys").click()
    return page.locator("#shortcuts")


# The focus stays in the text, from where arrow keys move along the menu and scroll it.
BY_ARROWS = {"scrollable-region-focusable: #slash-menu"}
OPENED = [_slash, _table, _words, _more, _share, _keys]


@pytest.mark.parametrize("opened", OPENED, ids=lambda opened: opened.__name__.strip("_"))
def test_what_opens_in_a_notebook_is_for_everybody(
    visit: Visits, opened: Callable[[Page], Locator]
) -> None:
    page = blank(visit, reduced_motion="reduce")
    name = opened.__name__.strip("_")
    expect(opened(page)).to_be_visible()
    page.evaluate(AXE)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(SETTLED)
        found = [one for one in page.evaluate(GRAVE) if one not in BY_ARROWS]
        assert found == [], f"{name}, {scheme}"
        shoot(page, f"opened/{name}-{scheme}")
