"""Every page of the product: readable by everybody, in both themes, wide and narrow, and by itself."""

import json
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests import servers
from tests.e2e.conftest import NARROW, WIDE, Recorder, Visits, shoot
from tests.e2e.writing import PLAN, open_editor

AXE = (servers.ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text()
GRAVE = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}"""
SETTLED = "() => document.getAnimations().every(({ playState }) => playState !== 'running')"
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"

# name -> (person, path within the organization or from the root)
PAGES = {
    "notebooks": ("mara", "notebooks/"),
    "notebooks-none-found": ("mara", "notebooks/?search=nothing-is-called-this"),
    "trash-empty": ("mara", "trash/"),
    "people": ("jonas", "people/"),
    "structure": ("jonas", "structure/"),
    "audit": ("jonas", "audit/"),
    "organization": ("jonas", "settings/"),
    "models": ("jonas", "models/"),
    "learning-empty": ("noor", "learning/"),
    "console-empty": ("jonas", "console/"),
    "console-runs-empty": ("jonas", "console/runs/"),
    "console-usage-empty": ("jonas", "console/usage/"),
    "console-quotas-empty": ("jonas", "console/quotas/"),
    "console-machines-empty": ("jonas", "console/machines/"),
    "profile": ("mara", "/settings/"),
    "not-found": ("mara", "/no/such/page/"),
}


def look_at(page: Page, name: str) -> None:
    """Check the page with axe in both themes, and keep it in both themes and widths."""
    page.evaluate(AXE)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.wait_for_function(SETTLED)
        assert page.evaluate(GRAVE) == [], f"{name}, {scheme}"
        for size in (WIDE, NARROW):
            page.set_viewport_size(size)  # type: ignore[arg-type]  # a plain dict is one
            assert page.evaluate(OVERFLOW) <= 0, f"{name} scrolls sideways at {size['width']}"
            shoot(page, f"pages/{name}-{size['width']}-{scheme}")
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_for_everybody(visit: Visits, recorder: Recorder, name: str) -> None:
    person, path = PAGES[name]
    recorder.excuse(r"status of 404 .*no/such/page")
    page = visit(person, path if path.startswith("/") else f"/o/alder-finch/{path}")

    expect(page.locator("h1").first).to_be_attached()
    look_at(page, name)


def test_a_notebook_is_for_everybody(visit: Visits) -> None:
    page = visit("mara", visit.notebook(PLAN))
    open_editor(page)

    look_at(page, "notebook")


def test_a_notebook_that_one_may_only_read_says_so(visit: Visits) -> None:
    page = visit("tomas", visit.notebook("Finch One: launch brief"))

    expect(page.get_by_text("You can read this notebook.")).to_be_visible()
    expect(page.locator(".ProseMirror[contenteditable=true]")).to_have_count(0)
    look_at(page, "notebook-read-only")


def test_the_share_dialog_is_for_everybody(visit: Visits) -> None:
    page = visit("mara", visit.notebook(PLAN))
    open_editor(page)
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.locator("#share-body form").first).to_be_visible()

    look_at(page, "share")


@pytest.fixture
def empty() -> Iterator[servers.Web]:
    with servers.temporary_folder() as folder:
        web = servers.embedded(folder / "data", DEMO="0")
        web.start()
        yield web
        web.kill()


def test_the_first_person_of_an_empty_instance_founds_it_and_writes(
    visit: Visits, recorder: Recorder, empty: servers.Web
) -> None:
    recorder.own_hosts.add(httpx.URL(empty.url).netloc.decode())
    page = visit(path=empty.url)
    assert page.url.endswith("/welcome/")
    look_at(page, "welcome")

    for label, text in {
        "Your name": "Ada Wong",
        "E-mail address": "ada@example.com",
        "Password": "a-long-enough-password",
        "Your organization": "Alder",
    }.items():
        page.get_by_label(label).fill(text)
    page.locator("main form button:not([type=button])").click()
    page.wait_for_url("**/notebooks/**")
    look_at(page, "notebooks-empty")

    page.get_by_role("button", name="New notebook").first.click()
    open_editor(page).press_sequentially("The first words")
    expect(page.locator("[data-save-state][data-kind=saved]")).to_be_visible()
    look_at(page, "notebook-new")
    assert json.loads(httpx.get(f"{empty.url}/health/ready/").text)["ready"]
