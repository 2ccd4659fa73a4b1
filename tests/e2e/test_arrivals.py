"""What arrives from others while a person writes."""

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visits
from tests.e2e.writing import (
    EDITOR,
    PLAN,
    adopted,
    begin_paragraph,
    blank,
    blocks,
    caret_in_heat,
    go_to_end_of,
    html,
    marker,
    open_editor,
    wait_for_words,
    wait_until_equal,
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


# --- the caret, while the page is busy and others write


def click_unread(page: Page, block: int, then: str) -> None:
    """Put the caret before the block as a click would, and let more happen before the page hears of it."""
    page.evaluate(
        f"""() => {{
          const {{ doc }} = document.querySelector("notebook-editor").session;
          const text = (n) => doc.getXmlFragment("document").get(n).get(0);
          const letters = document.querySelectorAll(".ProseMirror p")[{block}].firstChild;
          getSelection().collapse(letters, 0);
          {then}
        }}"""
    )


def press(key: str) -> str:
    event = f"new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true, cancelable: true }})"
    return f"document.querySelector('.ProseMirror').dispatchEvent({event});"


def test_a_caret_that_has_just_moved_is_not_put_back_by_what_arrives(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("first\nsecond\nthird")

    click_unread(page, 1, "doc.transact(() => text(0).insert(0, 'not the '), 'arrived');")
    page.keyboard.type("!")

    assert blocks(page) == ["not the first", "!second", "third"]


def test_a_caret_that_has_just_moved_is_not_put_back_by_the_caret_of_another(visit: Visits) -> None:
    mara, tomas = visit("mara", visit.notebook(PLAN)), visit("tomas", visit.notebook(PLAN))
    for page in (mara, tomas):
        open_editor(page).click()
    begun = marker()
    begin_paragraph(mara, f"{begun}\nsecond")
    go_to_end_of(tomas, begun)
    expect(mara.locator(".caret")).to_have_count(1)

    at = f"[...document.querySelectorAll('.ProseMirror p')].find((p) => p.textContent.includes('{begun}'))"
    mara.evaluate(
        f"""() => new Promise((done) => requestAnimationFrame(() => {{
          const {{ awareness }} = document.querySelector("notebook-editor").session;
          const other = [...awareness.getStates().keys()].find((id) => id !== awareness.clientID);
          awareness.emit("change", [{{ added: [], updated: [other], removed: [] }}, "arrived"]);
          requestAnimationFrame(done);
          getSelection().collapse({at}.firstChild, 0);
        }}))"""
    )
    mara.keyboard.type("!")

    wait_for_words(mara, f"!{begun}")  # where no caret with her name stands between the letters


def test_a_key_works_where_the_caret_is_seen(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("first\nsecond")

    click_unread(page, 0, press("Enter"))

    assert blocks(page) == ["", "first", "second"]


def test_letters_deleted_around_the_caret_leave_it_between_their_neighbours(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("abcd\nsecond")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"() => {EDITOR}.state.selection.head === 3")

    arrives(page, "text(0).delete(0, 2)")
    page.keyboard.type("!")
    assert blocks(page) == ["!cd", "second"]
    arrives(page, "text(0).delete(0, 3); text(1).insert(0, 'the ')")
    page.keyboard.type("?")

    assert blocks(page) == ["?", "the second"]


def test_a_caret_in_a_block_that_is_deleted_stays_near(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("first\nsecond\nthird")
    page.keyboard.press("ArrowUp")
    page.wait_for_function(f"() => {EDITOR}.state.selection.$from.index(0) === 1")

    arrives(page, 'doc.getXmlFragment("document").delete(1, 1)')
    page.keyboard.type("!")

    assert blocks(page) in (["first!", "third"], ["first", "!third"])


def test_the_caret_stays_where_the_text_has_been_mended(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("- above\nbelow")
    page.keyboard.press("Tab")
    page.keyboard.type("\nlast")

    item = 'doc.getXmlFragment("document").get(0).get(0)'
    arrives(page, f"{item}.delete(0, 1)")
    arrives(page, f"{item}.get(0).get(0).get(0).get(0).insert(0, 'far ')")
    page.keyboard.type("!")

    assert blocks(page)[1:] == ["far below", "last!"]


def test_the_caret_stays_where_something_had_no_place(visit: Visits) -> None:
    """Line breaks in what has become code: the text is shorter than the shared document."""
    page = blank(visit)
    page.keyboard.type("```\nkettle")

    line_break = "new (doc.getXmlFragment('document').get(0).constructor)('hardBreak')"
    arrives(page, f"doc.getXmlFragment('document').get(0).insert(0, [{line_break}, {line_break}])")
    page.keyboard.type("s")

    assert blocks(page) == ["kettles"]


def test_undo_brings_the_caret_back_and_nothing_moves_it_afterwards(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("first\nsecond")
    page.wait_for_timeout(700)  # what lies closer together is undone as one
    page.keyboard.press("Control+Home")
    page.keyboard.type("The ")
    page.keyboard.press("Control+End")

    page.keyboard.press("Control+z")
    page.keyboard.type("A ")
    assert blocks(page) == ["A first", "second"]
    page.keyboard.press("Control+End")
    arrives(page, "text(0).insert(0, 'Not: ')")
    page.keyboard.type("!")

    assert blocks(page) == ["Not: A first", "second!"]


def test_a_caret_told_in_nonsense_stops_nothing(visit: Visits) -> None:
    page = blank(visit)
    page.keyboard.type("first")

    page.evaluate(
        """() => {
          const { awareness } = document.querySelector("notebook-editor").session;
          const nowhere = { type: { client: 1, clock: -1 }, item: { client: "x" }, assoc: {} };
          const cursor = { anchor: nowhere, head: nowhere };
          awareness.states.set(99, { user: { id: "1", name: "N" }, cursor });
          awareness.emit("change", [{ added: [99], updated: [], removed: [] }, "arrived"]);
        }"""
    )
    arrives(page, "text(0).insert(0, 'the ')")
    page.keyboard.type("!")

    assert blocks(page) == ["the first!"]


# A page with too much to do: it answers in steps of 25 to 65 ms.
BUSY = """() => {
  const work = () => {
    const until = performance.now() + 25 + Math.random() * 40;
    while (performance.now() < until);
    setTimeout(work, Math.random() * 25);
  };
  work();
}"""
ROUNDS = 40


def test_two_people_who_write_in_turn_on_busy_pages_find_every_letter_in_place(
    visit: Visits,
) -> None:
    mara = blank(visit)
    mara.keyboard.type("<>")
    wait_until_saved(mara)
    other = visit("mara", mara.url)
    open_editor(other).locator("p").click()
    for key in ("Control+Home", "ArrowRight"):
        other.keyboard.press(key)
    for page in (mara, other):
        page.evaluate(BUSY)

    letters = [chr(ord("a") + number % 26) for number in range(ROUNDS)]
    for number, letter in enumerate(letters):
        mara.keyboard.press("Control+Home")
        mara.keyboard.press(letter)
        other.keyboard.press(str(number % 10))
        mara.keyboard.press("Control+End")
        mara.keyboard.press(letter.upper())

    for page in (mara, other):
        wait_until_saved(page)
    digits = "".join(str(number % 10) for number in range(ROUNDS))
    written = "".join(letters)
    assert wait_until_equal(mara, other) == f"{written[::-1]}<{digits}>{written.upper()}"
