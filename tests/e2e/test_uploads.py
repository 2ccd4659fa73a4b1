"""Pictures on their way into a notebook: chosen, refused, and those that lie elsewhere."""

from pathlib import Path

import PIL.Image
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Recorder, Visits, shoot
from tests.e2e.writing import EDITOR, blank, html, paste, wait_for_words, wait_until_saved


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "kettle.png"
    PIL.Image.new("RGB", (640, 360), (190, 110, 60)).save(path)
    return path


def choose(page: Page, picture: Path, *, by_typing: str) -> None:
    """Type what opens the file chooser, wait for it, and choose the picture.

    Keys outrun Chromium's order to hand choosers over to the test, and a chooser that comes before it
    is given up unseen. A question to the page is answered after that order.
    """
    with page.expect_file_chooser() as opened:
        page.evaluate("document.hasFocus()")
        page.keyboard.type(by_typing)
    opened.value.set_files(picture)


def test_a_picture_is_sent_shown_and_described(visit: Visits, picture: Path) -> None:
    page = blank(visit)

    choose(page, picture, by_typing="Before\n/picture\n")

    image = page.locator(".ProseMirror img[src^='/n/']")
    expect(image).to_be_visible()
    page.wait_for_function("() => document.querySelector('.ProseMirror img').naturalWidth === 640")
    image.click()
    page.get_by_placeholder("Describe the picture").fill("A kettle")
    page.keyboard.press("Enter")
    expect(image).to_have_attribute("alt", "A kettle")
    wait_until_saved(page)
    shoot(page, "picture")
    page.reload()
    expect(page.locator(".ProseMirror img[alt='A kettle']")).to_be_visible()


def test_a_refused_picture_says_why_and_can_be_given_up(
    visit: Visits, recorder: Recorder, tmp_path: Path
) -> None:
    recorder.excuse("status of 422")
    page = blank(visit)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG no picture at all")

    choose(page, broken, by_typing="/picture\n")

    failed = page.locator(".upload-failed")
    expect(failed).to_contain_text("picture", ignore_case=True)
    expect(failed.get_by_role("button", name="Try again")).to_be_visible()
    shoot(page, "picture-refused")
    failed.get_by_role("button", name="Give up on this picture").click()
    expect(failed).to_have_count(0)
    assert "<img" not in html(page)


def test_pictures_from_elsewhere_are_never_loaded(visit: Visits) -> None:
    """The recorder fails the test on a request to another host."""
    page = blank(visit)

    paste(page, html="<p>Words <img src='https://tracker.example/p.png'> here</p>")
    page.evaluate(
        f"""{EDITOR}.commands.insertContentAt(0, {{type: "image",
          attrs: {{src: "https://tracker.example/q.png", alt: "Chart"}}}})"""
    )

    expect(page.locator(".picture-missing")).to_have_attribute("aria-label", "Chart")
    expect(page.locator(".ProseMirror img[src]")).to_have_count(0)
    expect(page.get_by_text("Pictures from other sites are left out")).to_be_visible()
    wait_for_words(page, "Words", "here")
