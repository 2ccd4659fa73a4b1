"""Words of a model, and what people do in them."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import Visits
from tests.e2e.writing import EDITOR, adopted, caret_in_heat, paste

# Pieces of text in order; a star says that a model wrote the piece, (b) that it is bold.
PIECES = f"""() => {{
  const pieces = [];
  {EDITOR}.state.doc.descendants((node) => {{
    if (!node.isText) return true;
    const marks = node.marks.map((mark) => mark.type.name);
    pieces.push((marks.includes("output") ? "*" : "") + node.text + (marks.includes("bold") ? "(b)" : ""));
  }});
  return pieces;
}}"""


def typed(page: Page) -> None:
    page.keyboard.type("XY")


def pasted_plain(page: Page) -> None:
    paste(page, text="XY")


def pasted_rich(page: Page) -> None:
    paste(page, html="<p>XY</p>")


def composed(page: Page) -> None:
    devtools = page.context.new_cdp_session(page)
    for text in ("X", "XY"):
        ends = {"selectionStart": len(text), "selectionEnd": len(text)}
        devtools.send("Input.imeSetComposition", {"text": text, **ends})
    devtools.send("Input.insertText", {"text": "XY"})


@pytest.mark.parametrize("put_in", [typed, pasted_plain, pasted_rich, composed])
def test_what_a_person_puts_into_a_models_words_is_the_persons(
    visit: Visits, put_in: Callable[[Page], None]
) -> None:
    page = adopted(visit)
    caret_in_heat(page)

    put_in(page)

    page.wait_for_function(f"() => {EDITOR}.getText().includes('XY')")
    assert page.evaluate(PIECES) == ["*Quiet he", "XY", "*at for loud mornings", "Ours"]


def test_what_a_person_writes_over_is_the_persons(visit: Visits) -> None:
    page = adopted(visit)
    caret_in_heat(page, length=2)

    page.keyboard.type("ro")

    assert page.evaluate(PIECES) == ["*Quiet he", "ro", "* for loud mornings", "Ours"]


def test_a_models_words_keep_their_mark_where_they_go(visit: Visits) -> None:
    page = adopted(visit)
    caret_in_heat(page, length=2)

    page.keyboard.press("Control+b")
    page.keyboard.press("Alt+ArrowDown")
    assert page.evaluate(PIECES) == ["Ours", "*Quiet he", "*at(b)", "* for loud mornings"]
    page.keyboard.press("Control+Shift+D")
    page.wait_for_timeout(700)  # what lies closer together is undone as one
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.press("Control+z")

    pieces = page.evaluate(PIECES)
    assert pieces[:4] == ["Ours", "*Quiet he", "*at(b)", "* for loud mornings"]
    assert [piece for piece in pieces if not piece.startswith("*")] == ["Ours"]
