"""Writing in a notebook: what the hands do, by mouse and by keyboard alone."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import NARROW, Recorder, Visits, shoot
from tests.e2e.window import AXE, RUN_AXE
from tests.e2e.writing import (
    EDITOR,
    PLAN,
    blank,
    blocks,
    html,
    open_editor,
    wait_for_words,
    wait_until_saved,
)


def test_markdown_becomes_what_it_means(visit: Visits) -> None:
    page = blank(visit)

    page.keyboard.type("# Why now\nTea is **calm** and ~~loud~~.\n- one\ntwo\n\n1. first\n\n")
    page.keyboard.type("[ ] check\n\n> quoted\n\n```\nx = 1")

    found = html(page)
    assert "<h1>Why now</h1>" in found
    assert "Tea is <strong>calm</strong> and <s>loud</s>." in found
    assert re.search(r"<ul><li><p>one</p></li><li><p>two</p></li></ul>", found)
    assert re.search(r"<ol><li><p>first</p></li></ol>", found)
    assert 'data-checked="false"' in found
    assert "<blockquote><p>quoted</p></blockquote>" in found
    assert "<pre><code>x = 1</code></pre>" in found


def test_the_slash_menu_filters_inserts_and_leaves_a_slash_alone(visit: Visits) -> None:
    page = blank(visit)
    menu = page.get_by_role("listbox", name="Insert")

    page.keyboard.type("/")
    expect(menu).to_be_visible()
    shoot(page, "slash-menu")
    page.keyboard.type("head")
    expect(menu.get_by_role("option")).to_have_count(3)
    page.keyboard.press("ArrowDown")
    expect(page.locator(".ProseMirror")).to_have_attribute("aria-activedescendant", re.compile("."))
    page.keyboard.press("Enter")
    page.keyboard.type("Goals\n9/10 agree, and/or /")
    expect(menu).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    page.keyboard.type("quote")

    expect(menu).to_be_hidden()
    assert html(page) == "<h2>Goals</h2><p>9/10 agree, and/or /quote</p>"


def test_links_lead_to_web_and_mail_only(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("Read the brief")
    page.keyboard.press("Shift+Control+ArrowLeft")
    expect(page.get_by_role("toolbar", name="Format the chosen words")).to_be_visible()

    page.keyboard.press("Control+k")
    page.keyboard.type("javascript:alert(1)")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="Only web and mail")).to_be_visible()
    page.keyboard.press("Control+a")
    page.keyboard.type("alder.example/brief")
    page.keyboard.press("Enter")

    link = page.locator(".ProseMirror a")
    expect(link).to_have_attribute("href", "https://alder.example/brief")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    page.evaluate(
        f"""{EDITOR}.commands.setContent({{type: "doc", content: [{{type: "paragraph", content: [
          {{type: "text", text: "bad", marks: [{{type: "link", attrs: {{href: "javascript:alert(1)"}}}}]}}
        ]}}]}})"""
    )
    expect(page.locator(".ProseMirror a")).to_have_count(0)


def test_an_address_becomes_a_link_as_it_is_typed(visit: Visits) -> None:
    page = blank(visit)

    page.keyboard.type("See https://alder.example/a?b=1, or www.alder.example\nnot.a.link")

    links = page.locator(".ProseMirror a")
    expect(links).to_have_count(2)
    assert links.first.get_attribute("href") == "https://alder.example/a?b=1"
    assert links.last.get_attribute("href") == "https://www.alder.example/"
    assert links.first.inner_text() == "https://alder.example/a?b=1"


def test_the_toolbar_is_reached_by_keyboard(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("calm words")
    page.keyboard.press("Shift+Control+ArrowLeft")
    bar = page.get_by_role("toolbar", name="Format the chosen words")
    expect(bar).to_be_visible()
    shoot(page, "toolbar")

    page.keyboard.press("Alt+F10")
    expect(bar.get_by_role("combobox")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(bar.get_by_role("button", name=re.compile("^Bold"))).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")

    expect(page.locator(".ProseMirror em")).to_have_text("words")
    expect(page.locator(".ProseMirror")).to_be_focused()


def test_tables_grow_and_shrink(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("/table\n")
    for words in ("Channel", "Owner", "Date"):
        page.keyboard.type(words)
        page.keyboard.press("Tab")
    page.keyboard.type("Mail")
    rows, heads = page.locator(".ProseMirror tr"), page.locator(".ProseMirror th")
    expect(rows).to_have_count(3)

    for entry in ("Row below", "Column after", "Delete the row"):
        page.get_by_role("toolbar", name="Table").get_by_role("button").click()
        shoot(page, "table-menu")
        page.get_by_role("menuitem", name=entry).click()

    expect(rows).to_have_count(3)
    expect(heads).to_have_count(4)


def test_a_row_and_a_column_at_once_do_not_make_a_table_grow_for_ever(
    visit: Visits, recorder: Recorder
) -> None:
    recorder.excuse("ERR_INTERNET_DISCONNECTED|WebSocket connection")
    page = blank(visit)
    page.keyboard.type("/table\n")
    page.keyboard.type("Channel")
    wait_until_saved(page)
    other = page.context.new_page()
    other.goto(page.url)
    wait_for_words(other, "Channel")
    apart = "() => document.querySelector('notebook-editor').session"
    for each, command in ((page, "addRowAfter"), (other, "addColumnAfter")):
        each.evaluate(f"{apart}, {EDITOR}.chain().focus('start')")
        each.locator(".ProseMirror th").first.click()
        each.evaluate(f"{EDITOR}.commands.{command}()")

    for each in (page, other):
        wait_until_saved(each)
    page.wait_for_timeout(1000)

    counts = "[...document.querySelectorAll('.ProseMirror tr')].map((row) => row.cells.length)"
    found = page.evaluate(counts)
    assert found == other.evaluate(counts)
    assert len(found) == 4
    assert max(found) <= 5


def test_blocks_move_by_keyboard_and_keep_the_caret(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("Alpha\nBeta\n- one\ntwo\n\nOmega")

    page.keyboard.press("Alt+ArrowUp")
    assert blocks(page) == ["Alpha", "Beta", "Omega", "one", "two"]
    page.keyboard.type("!")
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowUp")
    page.keyboard.press("Alt+ArrowUp")
    assert blocks(page) == ["Omega!", "Alpha", "Beta", "one", "two"]
    page.get_by_text("two", exact=True).click()
    page.wait_for_function(f"() => {EDITOR}.state.selection.$from.parent.textContent === 'two'")
    page.keyboard.press("Alt+ArrowUp")
    assert blocks(page)[-2:] == ["two", "one"]
    page.keyboard.press("Control+Shift+D")
    assert blocks(page)[-3:] == ["two", "two", "one"]


def test_blocks_are_dragged_by_the_handle(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("Alpha\nBeta\nOmega")
    page.get_by_text("Alpha", exact=True).hover()
    grip = page.locator(".block-handle [draggable]")
    expect(grip).to_be_visible()
    shoot(page, "handle")
    target = page.get_by_text("Omega", exact=True).bounding_box()
    assert target is not None

    grip.hover()
    page.mouse.down()
    page.mouse.move(target["x"] + 30, target["y"] + 5, steps=6)
    page.mouse.move(target["x"] + 60, target["y"] + target["height"] - 1, steps=4)
    page.mouse.up()

    page.wait_for_function(f"() => {EDITOR}.state.doc.lastChild.textContent === 'Alpha'")
    assert blocks(page) == ["Beta", "Omega", "Alpha"]


def test_the_block_menu_turns_and_deletes(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("Alpha\nBeta")
    for entry in ("Heading 2", "Duplicate", "Delete"):
        page.get_by_text("Alpha", exact=True).first.hover()
        page.locator(".block-handle [draggable]").click()
        shoot(page, "block-menu")
        page.get_by_role("menuitem", name=entry, exact=True).click()

    assert html(page) == "<h2>Alpha</h2><p>Beta</p>"


def test_the_title_is_renamed_for_everybody(visit: Visits) -> None:
    path = visit.notebook(PLAN)
    mara, tomas = visit("mara", path), visit("tomas", path)
    for page in (mara, tomas):
        open_editor(page)
    title = mara.get_by_role("textbox", name="Title")
    before = title.input_value()

    title.fill("Renamed by Mara")
    title.press("Enter")

    expect(mara.locator(".ProseMirror")).to_be_focused()
    expect(tomas.get_by_role("textbox", name="Title")).to_have_value("Renamed by Mara")
    expect(tomas).to_have_title("Renamed by Mara · InferenceCloud")
    title.fill(before)
    title.press("Enter")
    expect(tomas.get_by_role("textbox", name="Title")).to_have_value(before)


def test_a_reader_sees_the_words_and_why_they_stand_still(visit: Visits) -> None:
    ines = visit("ines", visit.notebook(PLAN))

    text = ines.locator(".ProseMirror[contenteditable=false]")
    expect(text).to_contain_text("Seven weeks")
    expect(ines.get_by_text("You can read this notebook.")).to_be_visible()
    expect(ines.locator("[data-save-state]")).to_contain_text("Read only")
    text.click()
    ines.keyboard.type("nothing")
    expect(text).not_to_contain_text("nothing")
    shoot(ines, "reader")


def test_on_a_phone_the_state_is_told_in_full(visit: Visits, recorder: Recorder) -> None:
    recorder.excuse("ERR_INTERNET_DISCONNECTED|WebSocket connection")
    page = blank(visit, viewport=NARROW)
    wait_until_saved(page)
    page.context.set_offline(True)
    page.keyboard.type("x")

    words = page.locator("[data-save-state] [data-words]")
    expect(words).to_have_text(re.compile(r"^Offline . \d+ changes? kept on this device$"))
    assert words.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    shoot(page, "offline-phone")


def test_outline_and_keys(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("# Goals\nthree short words\n## Audience")
    page.get_by_role("button", name="Outline", exact=True).click()
    panel = page.get_by_role("complementary", name="Outline")

    expect(panel.get_by_role("button", name="Audience")).to_be_visible()
    expect(panel).to_contain_text("5 words")
    panel.get_by_role("button", name="Goals").click()
    expect(page.locator(".ProseMirror")).to_be_focused()
    page.keyboard.press("Control+/")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    shoot(page, "keys")


def test_the_text_can_be_taken_along_as_markdown(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("# Goals\nSell **calm**, not *heat*.\n- one\ntwo")
    page.get_by_role("textbox", name="Title").fill("Kettle plan")
    page.locator("summary[aria-label=More]").click()

    with page.expect_download() as saved:
        page.get_by_role("button", name="Download as Markdown").click()

    assert saved.value.suggested_filename == "Kettle plan.md"
    assert saved.value.path().read_text() == (
        "# Kettle plan\n\n# Goals\n\nSell **calm**, not *heat*.\n\n- one\n- two\n"
    )


@pytest.mark.parametrize(("viewport", "scheme"), [(NARROW, "dark"), (None, "light")])
def test_the_page_is_usable_by_everybody(visit: Visits, viewport: Any, scheme: str) -> None:
    options = {"viewport": viewport} if viewport else {}
    page = blank(visit, color_scheme=scheme, reduced_motion="reduce", **options)
    shoot(page, f"notebook-empty-{scheme}")
    page.keyboard.type("# Goals\nSell *calm*.\n[ ] check\n\n> Quiet.\n\n/table\n")
    page.keyboard.type("Channel")
    shoot(page, f"notebook-{scheme}")

    devtools = page.context.new_cdp_session(page)
    devtools.send("Runtime.evaluate", {"expression": AXE.read_text()})
    wanted = {"expression": RUN_AXE, "awaitPromise": True, "returnByValue": True}
    answer = devtools.send("Runtime.evaluate", wanted)
    assert json.loads(answer["result"]["value"]) == []
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
