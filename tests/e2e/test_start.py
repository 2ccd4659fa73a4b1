"""From the address bar to the list of notebooks."""

from playwright.sync_api import expect

from tests import visitors
from tests.e2e.conftest import NARROW, Visits, shoot


def test_a_person_of_the_demo_signs_in_and_sees_the_notebooks(visit: Visits) -> None:
    mara = visitors.demo_accounts(visit.data_dir)["mara"]
    page = visit()
    shoot(page, "sign-in")

    page.get_by_label("Email").fill(mara.email)
    page.get_by_label("Password", exact=True).fill(mara.password)
    page.get_by_role("button", name="Sign in", exact=True).click()

    expect(page.get_by_text("Finch One: launch plan")).to_be_visible()
    shoot(page, "list")


def test_a_notebook_opens_and_says_that_it_is_saved(visit: Visits) -> None:
    page = visit("mara", visit.notebook("Finch One: launch plan"))

    editor = page.locator(".ProseMirror")
    expect(editor).to_be_visible()
    expect(page.get_by_text("Saved")).to_be_visible()
    shoot(page, "notebook")


def test_a_phone_shows_the_list(visit: Visits) -> None:
    page = visit("mara", viewport=NARROW)

    expect(page.get_by_text("Finch One: launch plan")).to_be_visible()
    shoot(page, "list-phone")
