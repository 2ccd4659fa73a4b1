"""The console with weeks behind it, and a limit that is used up and raised while somebody waits."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests import servers, visitors
from tests.e2e.conftest import Visits, shoot
from tests.e2e.test_chain import arriving, update
from tests.e2e.test_pages import look_at

CONSOLE = "/o/alder-finch/console/"
GOES_ON_WITHIN_MS = 30_000
PAGES = {
    "console": "",
    "console-runs": "runs/",
    "console-run": "runs/{run}/",
    "console-run-failed": "runs/{failed}/",
    "console-usage": "usage/",
    "console-quotas": "quotas/",
    "console-machines": "machines/",
}


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Web]:
    """Return an instance whose models write slowly enough to be watched."""
    with servers.temporary_folder() as folder:
        web = servers.embedded(folder / "data", DJANGO_SETTINGS_MODULE="tests.e2e.chain_settings")
        web.start()
        yield web
        web.kill()


@pytest.fixture(scope="module")
def made(server: servers.Web) -> dict[str, str]:
    """Return the ids of notebooks with chains and of runs, after weeks of work."""
    command = [sys.executable, "-m", "tests.e2e.console_world"]
    done = subprocess.run(
        command, cwd=servers.ROOT, env=server.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_with_weeks_behind_it_is_for_everybody(
    visit: Visits, made: dict[str, str], name: str
) -> None:
    page = visit("jonas", CONSOLE + PAGES[name].format(**made))
    expect(page.locator("h1").first).to_be_attached()
    if name == "console-usage":
        expect(page.locator("canvas")).to_have_count(6)
        page.wait_for_function(DRAWN)

    look_at(page, name)


DRAWN = """() => [...document.querySelectorAll("canvas")].every((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value);
})"""


def test_a_chart_has_a_table_that_opens(visit: Visits, made: dict[str, str]) -> None:
    page = visit("jonas", f"{CONSOLE}usage/")
    days = page.locator("[aria-labelledby=chart-tokens]")

    days.get_by_text("As a table").click()

    expect(days.locator("tbody tr")).to_have_count(30)
    shoot(page, "pages/console-usage-table")


def test_the_strip_comes_again_by_itself(visit: Visits, made: dict[str, str]) -> None:
    page = visit("jonas", CONSOLE)
    first = page.locator("#health").get_attribute("data-at")
    assert first is not None

    expect(page.locator("#health")).not_to_have_attribute("data-at", first)


def test_a_used_up_limit_says_so_and_raising_it_lets_the_run_go_on(
    visit: Visits, made: dict[str, str]
) -> None:
    jonas = visit("jonas", f"{CONSOLE}quotas/")
    _set_for_everybody(jonas, 1)
    expect(jonas.get_by_text("Used up until midnight UTC")).to_be_visible()

    mara = visit("mara", f"/n/{made['four']}/")
    update(mara, 4)

    expect(mara.locator("[data-chain-update]")).to_contain_text("Number 1 in line")
    expect(mara.locator("[data-held]:visible")).to_contain_text("are used up (1)")
    shoot(mara, "pages/notebook-held")
    jonas.reload()
    expect(jonas.get_by_text("1 update waits because of it")).to_be_visible()
    look_at(jonas, "console-quotas-used-up")

    _set_for_everybody(jonas, 50_000_000)
    expect(arriving(mara, "tagline")).to_contain_text(" ", timeout=GOES_ON_WITHIN_MS)
    expect(mara.locator("[data-held]:visible")).to_have_count(0)
    jonas.goto(f"{CONSOLE}machines/")
    expect(jonas.get_by_text("No worker is there")).to_have_count(0)
    look_at(jonas, "console-machines-at-work")


def _set_for_everybody(page: Page, tokens: int) -> None:
    page.get_by_label("For whom").select_option("organization")
    page.get_by_label("Tokens a day", exact=True).fill(str(tokens))
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_text("The limit is set.")).to_be_visible()


@pytest.mark.timeout(300)  # axe looks at four pages
def test_an_admin_sees_what_would_go_types_a_word_and_sees_what_went(
    visit: Visits, made: dict[str, str]
) -> None:
    visit.recorder.excuse("status of 422")  # of the wrong word
    jonas = visit("jonas", "/o/alder-finch/settings/")
    jonas.get_by_role("link", name="Erase…").click()
    expect(jonas.get_by_text("Nothing yet.")).to_be_visible()
    look_at(jonas, "operations-erasing")
    jonas.get_by_label("Person", exact=True).select_option(label=_label_of(jonas, "Tomás"))
    jonas.get_by_role("button", name="See what would go").click()
    jonas.get_by_label("Password").fill(visitors.demo_accounts(visit.data_dir)["jonas"].password)
    jonas.get_by_role("button", name="Go on").click()
    expect(jonas.get_by_role("heading", name="What goes")).to_be_visible()
    look_at(jonas, "operations-erase-person")
    jonas.get_by_role("link", name="Leave it as it is").click()

    jonas.goto(f"{CONSOLE}runs/{made['run']}/")
    jonas.get_by_role("link", name="Erase…").click()
    look_at(jonas, "operations-erase-text")
    sure = jonas.get_by_label("Type erase to go on")
    sure.fill("perhaps")
    jonas.get_by_role("button", name="Forget it for good").click()
    expect(jonas.get_by_text("Nothing was erased.")).to_be_visible()
    sure.fill("erase")
    jonas.get_by_role("button", name="Forget it for good").click()

    expect(jonas.get_by_text("The text is forgotten.")).to_be_visible()
    expect(jonas.locator("main li").get_by_text("A text of a model")).to_be_visible()
    look_at(jonas, "operations-erased")
    jonas.goto(f"{CONSOLE}runs/{made['run']}/")
    expect(jonas.get_by_text("Erased", exact=True)).to_be_visible()


def _label_of(page: Page, name: str) -> str:
    options = page.get_by_label("Person", exact=True).locator("option").all_inner_texts()
    return next(one for one in options if name.casefold()[:3] in one.casefold())
