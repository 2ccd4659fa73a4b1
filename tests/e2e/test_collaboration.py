"""People write at once, offline, on a dying server, without a right, without a socket."""

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Recorder, Visits, shoot
from tests.e2e.writing import (
    COPY,
    PLAN,
    begin_paragraph,
    go_to_end_of,
    marker,
    open_editor,
    text_of,
    wait_for_words,
    wait_until_equal,
    wait_until_saved,
)

NO_CONNECTION = r"ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_|WebSocket connection|ERR_EMPTY_RESPONSE"
NO_COPIES = (
    """async () => (await indexedDB.databases()).filter(({ name }) => name.includes("%s")).length"""
)

# The page and what it loads lie in the service worker's cache.
KEPT = """async () => {
  const parts = [...document.querySelectorAll("script[src], link[rel=stylesheet]")];
  const urls = [location.href, ...parts.map((part) => part.src || part.href)];
  const kept = await Promise.all(urls.map((url) => caches.match(url, { ignoreVary: true })));
  return kept.every(Boolean);
}"""


def two_writers(visit: Visits) -> tuple[Page, Page]:
    """Return two people's pages on the same notebook."""
    pages = (
        visit("mara", visit.notebook(PLAN)),
        visit("tomas", visit.notebook(PLAN)),
    )
    for page in pages:
        open_editor(page)
    return pages


def only(letters: str, text: str) -> str:
    return "".join(each for each in text if each in letters)


def test_two_people_type_into_one_paragraph_and_see_the_same(visit: Visits) -> None:
    mara, tomas = two_writers(visit)
    begun = marker()
    begin_paragraph(mara, f"{begun}: ")
    go_to_end_of(tomas, begun)

    for upper, digit in zip("QWERTZUIOPASDFGH", "0123456789012345", strict=True):
        mara.keyboard.type(upper)
        tomas.keyboard.type(digit)

    for page in (mara, tomas):
        wait_until_saved(page)
    wait_until_equal(mara, tomas)
    written = next(line for line in text_of(mara).split("\n") if begun in line)
    written = written.partition(":")[2]
    assert only("QWERTZUIOPASDFGH", written) == "QWERTZUIOPASDFGH"
    assert only("0123456789", written) == "0123456789012345"
    expect(mara.locator(".caret-name", has_text="Tomás")).to_have_count(1)
    shoot(mara, "two-writers")


def test_undo_takes_back_only_ones_own_words(visit: Visits) -> None:
    mara, tomas = two_writers(visit)
    begun = marker()
    begin_paragraph(mara, f"{begun} ")
    go_to_end_of(tomas, begun)
    tomas.keyboard.type("from-tomas")
    wait_for_words(mara, "from-tomas")
    mara.keyboard.type("from-mara")
    wait_for_words(tomas, "from-mara")

    mara.keyboard.press("Control+z")

    expect(tomas.locator(".ProseMirror")).not_to_contain_text("from-mara")
    wait_for_words(mara, "from-tomas")


def test_what_is_written_offline_survives_a_reload_and_merges(
    visit: Visits, recorder: Recorder
) -> None:
    recorder.excuse(NO_CONNECTION)
    mara, tomas = two_writers(visit)
    begun = marker()
    begin_paragraph(mara, f"{begun} ")
    go_to_end_of(tomas, begun)
    tomas.wait_for_function(KEPT)

    tomas.context.set_offline(True)
    tomas.keyboard.type("before-reload ")
    expect(tomas.locator("[data-save-state][data-kind=offline]")).to_be_visible()
    shoot(tomas, "offline")
    tomas.reload()
    wait_for_words(tomas, begun, "before-reload")
    go_to_end_of(tomas, begun)
    tomas.keyboard.type("after-reload ")
    mara.keyboard.type("meanwhile ")
    wait_until_saved(mara)
    shoot(tomas, "offline-reloaded")
    tomas.context.set_offline(False)

    for page in (mara, tomas):
        wait_for_words(page, "before-reload", "after-reload", "meanwhile")
        wait_until_saved(page)
    wait_until_equal(mara, tomas)


def test_a_server_that_is_killed_loses_nothing(visit: Visits, recorder: Recorder) -> None:
    recorder.excuse(NO_CONNECTION)
    mara, tomas = two_writers(visit)
    begun = marker()
    begin_paragraph(mara, f"{begun} ")
    go_to_end_of(tomas, begun)
    mara.keyboard.type("acknowledged ")
    wait_until_saved(mara)

    mara.keyboard.type("dying")
    visit.server.kill()
    mara.keyboard.type("-and-dead ")
    tomas.keyboard.type("tomas-too ")
    expect(mara.locator("[data-save-state][data-kind=offline]")).to_be_visible()
    shoot(mara, "server-gone")
    visit.server.start()

    for page in (mara, tomas):
        wait_for_words(page, "acknowledged", "dying-and-dead", "tomas-too")
        wait_until_saved(page)
    wait_until_equal(mara, tomas)
    newcomer = visit("mara", visit.notebook(PLAN))
    wait_for_words(newcomer, "acknowledged", "dying-and-dead", "tomas-too")


def test_a_withdrawn_right_closes_the_page_and_wipes_the_copy(
    visit: Visits, recorder: Recorder
) -> None:
    path = visit.notebook(COPY)
    mara = visit("mara", path)
    tomas = visit("tomas", path)
    open_editor(mara)
    open_editor(tomas)
    notebook = path.strip("/").split("/")[1]
    assert mara.evaluate(NO_COPIES % notebook) > 0

    tomas.get_by_role("button", name="Share", exact=True).click()
    row = tomas.locator("#share-body li", has_text="Mara")
    expect(row).to_be_visible()
    shoot(tomas, "share")
    row.get_by_role("button", name=re.compile("remove|withdraw", re.IGNORECASE)).click()

    expect(mara.get_by_text("This notebook is no longer shared with you")).to_be_visible()
    expect(mara.locator(".ProseMirror")).to_have_count(0)
    shoot(mara, "withdrawn")
    mara.wait_for_function(f"() => ({NO_COPIES % notebook})().then((left) => left === 0)")
    recorder.excuse(rf"404.*{notebook}")
    answer = mara.goto(path)
    assert answer is not None
    assert answer.status == 404


def test_http_takes_over_where_sockets_are_blocked(visit: Visits, recorder: Recorder) -> None:
    recorder.excuse(NO_CONNECTION)
    mara = visit("mara", visit.notebook(PLAN))
    tomas = visit("tomas")
    tomas.route_web_socket(re.compile("/ws/"), lambda socket: socket.close())
    tomas.goto(visit.notebook(PLAN))
    open_editor(tomas)
    begun = marker()

    begin_paragraph(mara, f"{begun} ")
    go_to_end_of(tomas, begun)
    tomas.keyboard.type("by-http")

    wait_until_saved(tomas)
    wait_for_words(mara, "by-http")
    assert text_of(mara) == text_of(tomas)
