"""What a person does in an open notebook, and what can be seen of it."""

import re
from itertools import count
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Visits

PLAN = "Finch One: launch plan"  # mara and tomas write in it
COPY = "Finch One: LinkedIn and newsletter"  # tomas owns it and shares it with mara
EDITOR = "document.querySelector('notebook-editor').editor"
OUTPUT = "0190aaaa-0000-7000-8000-00000000000f"
_numbers = count(1)

# The text without the carets of others, which stand between its letters.
TEXT = """() => {
  const copy = document.querySelector(".ProseMirror").cloneNode(true);
  for (const caret of copy.querySelectorAll(".caret, .ProseMirror-widget")) caret.remove();
  return [...copy.children].map((block) => block.textContent).join("\\n");
}"""


def text_of(page: Page) -> str:
    """Return what the page shows of the document."""
    text: str = page.evaluate(TEXT)
    return text


def marker() -> str:
    """Return a word that no other test writes."""
    return f"mark{next(_numbers)}x"


def wait_until_saved(page: Page) -> None:
    """Wait for the page to say that everything is stored."""
    expect(page.locator("[data-save-state][data-kind=saved]")).to_be_visible()


def open_editor(page: Page) -> Locator:
    """Wait until the notebook can be written in; return the editor."""
    editor = page.locator(".ProseMirror[contenteditable=true]")
    expect(editor).to_be_visible()
    wait_until_saved(page)
    return editor


def begin_paragraph(page: Page, words: str) -> None:
    """Write a new paragraph at the end of the document."""
    open_editor(page)
    # A click first: focus alone puts the caret somewhere of the editor's choice, a moment later.
    page.locator(".ProseMirror > *").last.click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    page.keyboard.type(words)


def go_to_end_of(page: Page, words: str) -> None:
    """Put the caret behind the paragraph that holds the words."""
    paragraph = page.locator(".ProseMirror p", has_text=words)
    expect(paragraph).to_be_visible()
    paragraph.click()
    page.keyboard.press("End")


def wait_for_words(page: Page, *words: str) -> None:
    """Wait until the page shows all of the words."""
    for each in words:
        expect(page.locator(".ProseMirror")).to_contain_text(re.compile(re.escape(each)))


def wait_until_equal(*pages: Page) -> str:
    """Wait until all pages show one text; return it."""
    first, *others = pages
    for page in others:
        page.wait_for_function(f"(wanted) => ({TEXT})() === wanted", arg=text_of(first))
    return text_of(first)


def blank(visit: Visits, name: str = "mara", **options: Any) -> Page:
    """Return a page on a new notebook of the person's own, with the caret in its text."""
    page = visit(name, "/", **options)
    page.locator("form[action$='/notebooks/new/'] button[name=workspace]").first.evaluate(
        "button => button.form.requestSubmit(button)"
    )
    page.wait_for_url(re.compile(r"/n/[0-9a-f-]{36}/$"))
    open_editor(page).click()
    return page


def html(page: Page) -> str:
    """Return the document as the editor would write it to the clipboard."""
    found: str = page.evaluate(f"{EDITOR}.getHTML()")
    return found


def blocks(page: Page) -> list[str]:
    """Return the text of the document's blocks and items in order."""
    found: list[str] = page.evaluate(
        f"""() => {{
          const found = [];
          {EDITOR}.state.doc.descendants((node) => {{ if (node.isTextblock) found.push(node.textContent); }});
          return found;
        }}"""
    )
    return found


def paste(page: Page, text: str = "", html: str = "") -> None:
    """Paste into the text, as a browser would."""
    page.evaluate(
        """([text, html]) => {
          const clipboardData = new DataTransfer();
          if (text) clipboardData.setData("text/plain", text);
          if (html) clipboardData.setData("text/html", html);
          const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
          document.querySelector(".ProseMirror").dispatchEvent(event);
        }""",
        [text, html],
    )


def adopted(visit: Visits) -> Page:
    """Return a page whose text "Quiet heat for loud mornings" was written by a model."""
    page = blank(visit)
    page.evaluate(
        f"""(output) => {EDITOR}.commands.setContent({{type: "doc", content: [
          {{type: "paragraph", content: [{{type: "text", text: "Quiet heat for loud mornings",
            marks: [{{type: "output", attrs: {{outputId: output, variant: 0}}}}]}}]}},
          {{type: "paragraph", content: [{{type: "text", text: "Ours"}}]}}]}})""",
        OUTPUT,
    )
    return page


def caret_in_heat(page: Page, length: int = 0) -> None:
    """Put the caret into the word "heat", or choose so many letters of it."""
    at = 9  # "Quiet he|at"
    page.evaluate(
        f"""([from, to]) => {{ {EDITOR}.commands.setTextSelection({{from, to}}); {EDITOR}.view.focus(); }}""",
        [at, at + length],
    )
