"""Two people at one chain in real browsers: words stream to both, nobody's text is lost, Stop stops."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from tests import servers
from tests.e2e.conftest import NARROW, Visits, shoot
from tests.e2e.window import AXE, RUN_AXE
from tests.e2e.writing import wait_until_equal

STOP_WITHIN_S = 1.0
AMONG_OTHERS_S = 1.5  # what a machine busy with other tests may add
REFUSED = r"status of 409"


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Web]:
    """Return an instance whose models write slowly enough to be watched."""
    with servers.temporary_folder() as folder:
        web = servers.embedded(folder / "data", DJANGO_SETTINGS_MODULE="tests.e2e.chain_settings")
        web.start()
        yield web
        web.kill()


@pytest.fixture(scope="module")
def books(server: servers.Web) -> dict[str, str]:
    """Return the paths of notebooks with chains."""
    command = [sys.executable, "-m", "tests.e2e.chain_world"]
    done = subprocess.run(
        command, cwd=servers.ROOT, env=server.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name: f"/n/{pk}/" for name, pk in json.loads(done.stdout).items()}


def cell(page: Page, name: str) -> Locator:
    """Return the cell of that name."""
    return page.locator(f'.cell[aria-label="{name}"]')


def result(page: Page, name: str) -> Locator:
    return cell(page, name).locator(".cell-result")


def arriving(page: Page, name: str) -> Locator:
    """Return the words that a model is writing into the cell."""
    return cell(page, name).locator(".cell-arriving p:not(.cell-waits)")


def update(page: Page, count: int) -> None:
    """Press Update, which says how much it will write."""
    button = page.locator("[data-chain-update]")
    expect(button).to_contain_text(f"Update {count}≈")
    button.click()


def menu(page: Page, name: str) -> Locator:
    """Open the cell's menu."""
    cell(page, name).hover()
    cell(page, name).get_by_label("Settings of the cell").click()
    return page.locator(".block-menu:visible")


def until_current(page: Page) -> None:
    """Wait until nothing is out of date and nothing is being written."""
    expect(page.locator("[data-chain-update]")).to_be_hidden()
    expect(page.locator(".cell-overlay")).to_have_count(0)


def check(page: Page, name: str, *, narrow: bool = True) -> None:
    """Keep pictures of what is open in both themes and widths, and let axe look at it."""
    devtools = page.context.new_cdp_session(page)  # beside the page, past its strict policy
    devtools.send("Runtime.evaluate", {"expression": AXE.read_text()})
    wanted = {"expression": RUN_AXE, "awaitPromise": True, "returnByValue": True}
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        shoot(page, f"chain/{name}-{scheme}")
        assert json.loads(devtools.send("Runtime.evaluate", wanted)["result"]["value"]) == [], name
    wide = page.viewport_size
    if not narrow or wide is None:
        return
    page.set_viewport_size(NARROW)
    shoot(page, f"chain/{name}-narrow")
    fits = "document.documentElement.scrollWidth <= window.innerWidth"
    assert page.evaluate(fits), f"{name} is wider than a phone"
    page.set_viewport_size(wide)


def text(found: Locator) -> str:
    return re.sub(r"\s+", " ", found.inner_text()).strip()


def test_words_reach_both_and_stop_and_reload_and_a_person_s_text_stays(
    visit: Visits, books: dict[str, str]
) -> None:
    mara, tomas = (visit(who, books["four"]) for who in ("mara", "tomas"))
    expect(tomas.locator("[data-chain-update]")).to_contain_text("Update 4≈")

    update(mara, 4)
    for page in (mara, tomas):
        expect(arriving(page, "tagline")).to_contain_text(" ")
        expect(cell(page, "mail")).to_have_attribute("data-state", "next")
    shoot(mara, "chain/writing")

    heard = text(arriving(tomas, "tagline"))
    tomas.reload()
    expect(cell(tomas, "tagline")).to_contain_text(heard)

    expect(arriving(tomas, "message")).to_contain_text(" ")
    began = time.monotonic()
    tomas.locator("[data-chain-update]", has_text="Stop").click()
    expect(mara.locator(".cell-overlay")).to_have_count(0)
    assert time.monotonic() - began < STOP_WITHIN_S + AMONG_OTHERS_S
    mara.wait_for_timeout(1500)
    for page in (mara, tomas):
        assert text(result(page, "tagline")).startswith(heard)
        assert text(result(page, "mail")) == ""
        expect(cell(page, "mail")).to_have_attribute("data-state", "none")

    update(mara, 3)
    until_current(mara)
    until_current(tomas)
    wait_until_equal(mara, tomas)
    _edits_win(mara, tomas)


def test_a_double_click_is_one_run_and_a_reload_does_not_undo_stop(
    visit: Visits, books: dict[str, str]
) -> None:
    mara = visit("mara", books["hurry"])
    button = mara.locator("[data-chain-update]")
    expect(button).to_contain_text("Update 4≈")
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            asked.append(request.url)

    mara.on("request", note)
    box = button.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mara.mouse.click(*middle)
    expect(button).to_contain_text("Stop")
    mara.mouse.down(click_count=2)
    mara.mouse.up(click_count=2)
    expect(arriving(mara, "tagline")).to_contain_text(" ")
    assert [url.rpartition("/chain/")[2] for url in asked] == ["run/"]

    button.click()
    mara.reload()
    expect(button).to_contain_text("Update")
    expect(mara.locator(".cell-overlay")).to_have_count(0)
    mara.wait_for_timeout(1500)
    expect(button).to_contain_text("Update")


def _edits_win(mara: Page, tomas: Page) -> None:
    """A person's words stay; what the model would write waits beside them, with the difference."""
    result(tomas, "tagline").locator("p").click()
    tomas.keyboard.press("End")
    tomas.keyboard.type(" Said by us.")
    cell(mara, "brief").locator("p").click()
    mara.keyboard.press("End")
    mara.keyboard.type(", in blue")
    update(mara, 4)
    for page in (mara, tomas):
        proposal = cell(page, "tagline").locator(".cell-proposal")
        expect(proposal.locator("del")).not_to_have_count(0)
        expect(proposal.locator("ins")).not_to_have_count(0)
        expect(result(page, "tagline")).to_contain_text("Said by us.")
    until_current(mara)
    mara.locator("[data-chain-origins]:visible").click()
    expect(result(mara, "tagline").locator(".by-people")).to_have_text("Said by us.")
    mara.locator("[data-chain-origins]:visible").click()
    check(mara, "proposal")

    cell(tomas, "tagline").get_by_text("Use this").click()
    expect(result(mara, "tagline")).not_to_contain_text("Said by us.")
    expect(cell(mara, "message")).to_have_attribute("data-state", "stale")
    cell(mara, "tagline").hover()
    cell(mara, "tagline").get_by_label("Back to the previous result").click()
    expect(result(tomas, "tagline")).to_contain_text("Said by us.")
    expect(cell(mara, "message")).to_have_attribute("data-state", "current")


def test_another_division_reads_what_was_released(visit: Visits, books: dict[str, str]) -> None:
    mara, tomas = visit("mara", books["four"]), visit("tomas", books["shop"])
    visit.recorder.excuse(REFUSED)
    tomas.locator(".ProseMirror p").first.click()
    tomas.keyboard.type("/prompt")
    tomas.keyboard.press("Enter")
    tomas.keyboard.type("Write a shop window text from {{brief")
    expect(tomas.locator("#references-menu [role=option]").first).to_contain_text("Four in a row")
    tomas.keyboard.press("Enter")
    chip = tomas.locator(".cell-reference")
    expect(chip).to_have_text("Four in a row / brief")
    expect(chip).to_have_attribute("data-problem", "")
    expect(cell(tomas, "draft").locator(".cell-problems")).to_contain_text("no released version")
    shoot(tomas, "chain/unreleased")

    menu(mara, "brief").get_by_text("Release for other divisions").click()
    expect(chip).not_to_have_attribute("data-problem", "")
    chip.hover()
    expect(tomas.locator(".source-card")).to_contain_text("hand-pressed espresso maker")
    update(tomas, 1)
    expect(result(tomas, "draft").locator(".output")).not_to_be_empty()

    tomas.locator(".cell-instruction").click()
    tomas.keyboard.press("End")
    tomas.keyboard.type(" and {{draft}}")
    expect(cell(tomas, "draft").locator(".cell-problems")).to_contain_text("draft → draft")
    tomas.keyboard.press("Backspace")
    tomas.keyboard.type(" {{nothing}} ")
    expect(cell(tomas, "draft").locator(".cell-problems")).to_contain_text("no cell “nothing”")


def test_variants_by_keyboard_a_failure_in_words_and_models_off(
    visit: Visits, books: dict[str, str]
) -> None:
    mara, jonas = visit("mara", books["choice"]), visit("jonas")
    update(mara, 2)
    cards = cell(mara, "headline").locator(".cell-choice .cell-card")
    expect(cards).to_have_count(3)
    expect(cell(mara, "storm").locator(".cell-failure")).to_contain_text("could not write")
    expect(cell(mara, "storm").get_by_text("Try again")).to_be_visible()
    check(mara, "variants")
    second = text(cards.nth(1).locator("p"))
    cards.first.focus()
    mara.keyboard.press("ArrowRight")
    mara.keyboard.press("Enter")
    expect(result(mara, "headline")).to_have_text(second)
    _another_try(mara)
    _models_off(mara, jonas, second)


def _another_try(mara: Page) -> None:
    """What made the model fail is put right, and the cell is written after all."""
    cell(mara, "weather").locator("p").click()
    mara.keyboard.press("Control+A")
    mara.keyboard.type("sunshine")
    expect(mara.locator("[data-save-state][data-kind=saved]")).to_be_visible()
    cell(mara, "storm").get_by_text("Try again").click()
    expect(result(mara, "storm").locator(".output")).not_to_be_empty()
    expect(cell(mara, "storm").locator(".cell-failure")).to_have_count(0)


def _models_off(mara: Page, jonas: Page, standing: str) -> None:
    jonas.goto(f"{jonas.url.split('/notebooks/')[0]}/settings/")
    jonas.get_by_role("button", name="Switch off").click()
    jonas.locator("[data-confirm-yes]").click()
    expect(jonas.get_by_text("Models write nothing")).to_be_visible()
    expect(mara.locator("[data-chain-update]")).to_be_hidden()
    expect(mara.locator(".cell-foot > *")).to_have_count(0)
    expect(mara.locator("[data-chain-draw]:visible")).to_have_count(0)
    expect(result(mara, "headline")).to_have_text(standing)
    mara.locator(".notebook-foot").click()
    mara.keyboard.type("/prompt")
    expect(mara.locator("#slash-menu .trigger-none")).to_be_visible()
    shoot(mara, "chain/models-off")
    jonas.get_by_role("button", name="Switch on").click()
    expect(mara.locator("[data-chain-draw]:visible")).to_have_count(1)


def test_a_hundred_cells_are_drawn_and_lead_to_their_place(
    visit: Visits, books: dict[str, str]
) -> None:
    mara = visit("mara", books["many"])
    mara.locator("[data-chain-draw]:visible").click()
    boxes = mara.locator("#chain-sheet .chain-graph-cell")
    expect(boxes).to_have_count(100)
    check(mara, "hundred")
    boxes.filter(has=mara.get_by_text("cell_57", exact=True)).first.click()
    expect(mara.locator("#chain-sheet")).to_be_hidden()
    expect(cell(mara, "cell_57")).to_be_in_viewport()


def test_a_cell_is_made_written_and_chosen_by_keyboard_alone(
    visit: Visits, books: dict[str, str]
) -> None:
    mara = visit("mara", books["keys"])
    keys = mara.keyboard
    mara.locator(".ProseMirror").focus()
    keys.press("Control+End")
    keys.type("/prompt")
    expect(mara.locator("#slash-menu [role=option]")).not_to_have_count(0)
    keys.press("Enter")
    keys.type("Write a post about {{bri")
    expect(mara.locator("#references-menu [role=option]").first).to_contain_text("brief")
    keys.press("Enter")
    keys.press("ArrowLeft")
    expect(mara.locator(".source-card")).to_contain_text("hand-pressed espresso maker")
    keys.press("ArrowRight")

    _two_playful_variants(mara, cell(mara, "draft"))
    keys.press("Control+Enter")
    cards = cell(mara, "draft").locator(".cell-choice .cell-card")
    expect(cards).to_have_count(2)
    chosen = text(cards.last.locator("p"))
    keys.press("Tab")
    expect(cards.first).to_be_focused()
    keys.press("ArrowRight")
    keys.press("Enter")
    expect(result(mara, "draft")).to_have_text(chosen)
    expect(mara.locator(".ProseMirror")).to_be_focused()
    keys.press("Control+A")
    keys.type("We say it ourselves")
    expect(result(mara, "draft")).to_have_text("We say it ourselves")
    expect(mara.locator(".cell")).to_have_count(3)


def _two_playful_variants(mara: Page, draft: Locator) -> None:
    """Set a cell's parameters and go back into its text."""
    keys = mara.keyboard
    keys.press("Shift+Tab")
    expect(draft.get_by_label("Settings of the cell")).to_be_focused()
    keys.press("Enter")
    fields = mara.locator(".block-menu:visible .control")
    expect(fields.first).to_be_focused()
    check(mara, "settings", narrow=False)  # it was placed for this width
    for _field in range(3):  # past the limit and its unit
        keys.press("Tab")
    keys.press("ArrowRight")
    expect(mara.locator(".cell-daring")).to_have_text("Playful")
    keys.press("Tab")
    keys.press("2")
    expect(fields.nth(3)).to_have_value("2")
    keys.press("Escape")
    expect(draft.get_by_label("Settings of the cell")).to_be_focused()
    keys.press("Escape")
    expect(mara.locator(".ProseMirror")).to_be_focused()


def test_names_may_change_and_meet(visit: Visits, books: dict[str, str]) -> None:
    mara = visit("mara", books["keys"])
    expect(cell(mara, "claim").locator(".cell-reference")).to_have_text("brief")
    cell(mara, "brief").get_by_label("Name of the cell").fill("Facts & figures")
    mara.keyboard.press("Enter")
    chip = cell(mara, "claim").locator(".cell-reference")
    expect(chip).to_have_text("facts_figures")
    expect(chip).not_to_have_attribute("data-problem", "")
    cell(mara, "claim").get_by_label("Name of the cell").fill("facts_figures")
    mara.keyboard.press("Enter")
    expect(mara.locator(".cell-prompt .cell-state").first).to_contain_text("{{facts_figures_2}}")
    expect(chip.or_(mara.locator(".cell-prompt .cell-reference")).first).to_have_text(
        "facts_figures"
    )
