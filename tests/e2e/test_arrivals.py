"""What arrives from others while a person writes."""

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visits
from tests.e2e.writing import (
    EDITOR,
    PLAN,
    adopted,
    blank,
    blocks,
    caret_in_heat,
    html,
    open_editor,
    wait_until_saved,
)


def arrives(page: Page, change: str) -> None:
    """Let a change come in as if from somebody else; `text(n)` is the shared text of the n-th block."""
    page.evaluate(
        f"""() => {{
          const {{ doc }} = document.querySelector("notebook-editor").session;
          const text = (n) => doc.getXmlFragment("document").get(n).get(0);
          doc.transact(() => {{ {change} }}, "arrived");
        }}"""
    )


def test_words_survive_when_one_makes_code_of_what_another_makes_bold(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("```\nkettle = 1")

    arrives(page, "text(0).format(0, 6, { bold: {} })")

    assert html(page) == "<pre><code>kettle = 1</code></pre>"
    page.keyboard.type("49")
    assert html(page) == "<pre><code>kettle = 149</code></pre>"


def test_an_item_keeps_what_is_below_it_when_its_own_line_is_deleted(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("- above\nbelow")
    page.keyboard.press("Tab")

    item = 'doc.getXmlFragment("document").get(0).get(0)'
    arrives(page, f"{item}.delete(0, 1)")

    assert blocks(page) == ["", "below"]


def test_the_caret_stays_in_its_line_when_somebody_writes_there(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("same\nsame\nsame")
    page.keyboard.press("ArrowUp")
    page.wait_for_function(f"() => {EDITOR}.state.selection.$from.index(0) === 1")

    arrives(page, "text(1).insert(0, 'not the ')")

    page.keyboard.type("!")
    assert blocks(page) == ["same", "not the same!", "same"]


def test_nothing_is_written_while_nobody_writes(visit: Visits) -> None:
    page = adopted(visit)
    caret_in_heat(page, length=2)
    page.keyboard.press("Control+b")
    page.keyboard.press("Control+Shift+D")
    wait_until_saved(page)
    other = page.context.new_page()
    other.goto(page.url)
    open_editor(other).click()

    for each in (page, other):
        each.evaluate(
            """() => {
              window.written = 0;
              const { doc } = document.querySelector("notebook-editor").session;
              doc.on("update", () => { window.written += 1; });
            }"""
        )
    for _ in range(6):
        other.keyboard.press("ArrowLeft")
    other.wait_for_timeout(500)
    assert [each.evaluate("window.written") for each in (page, other)] == [0, 0]

    other.keyboard.type("x")
    wait_until_saved(other)
    page.wait_for_function("() => window.written > 0")
    page.wait_for_timeout(500)
    assert [each.evaluate("window.written <= 2") for each in (page, other)] == [True, True]


def test_a_reader_writes_nothing_whatever_there_is_to_tidy(visit: Visits) -> None:
    ines = visit("ines", visit.notebook(PLAN))
    expect(ines.locator(".ProseMirror[contenteditable=false]")).to_contain_text("Seven weeks")
    expect(ines.locator("[data-save-state]")).to_contain_text("Read only")
    own = "document.querySelector('notebook-editor').session"
    ines.evaluate(
        f"() => {{ window.own = 0; {own}.doc.on('update', () => {{ window.own += 1; }}); }}"
    )

    ines.locator(".ProseMirror").click()
    ines.keyboard.press("Control+a")
    ines.wait_for_timeout(300)

    assert ines.evaluate(f"[window.own, {own}.state.pending]") == [0, 0]
