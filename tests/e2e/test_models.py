"""A model is added from a folder, tried, and chosen as Writer, all on pages."""

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import expect

from tests import servers, visitors
from tests.e2e.conftest import NARROW, Visits, shoot

STARTER = servers.ROOT / "models" / "starter"
NAME = "House-Writer"


def make_operator(visit: Visits, name: str) -> None:
    address = visitors.demo_accounts(visit.data_dir)[name].email
    command = [sys.executable, "manage.py", "make_operator", address]
    subprocess.run(command, check=True, cwd=servers.ROOT, env=visit.server.env)


def put_into_folder(data_dir: Path) -> None:
    folder = data_dir / "models" / "incoming" / NAME
    folder.mkdir(parents=True)
    for file in STARTER.iterdir():
        shutil.copy(file, folder)


def test_a_model_is_added_tried_and_chosen(visit: Visits) -> None:
    make_operator(visit, "jonas")
    put_into_folder(visit.data_dir)
    page = visit("jonas")
    page.get_by_role("link", name="Models").click()
    honest = page.get_by_text("A small model for trying InferenceCloud out.")
    # It is registered a few seconds after the first start.
    servers.wait_until(lambda: bool(page.reload()) and honest.count() == 1, "the starter is there")
    visit.recorder.excuse("status of 422")
    page.get_by_label("Model", exact=True).fill("https://evil.example/alder/writer")
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("Nothing else is ever fetched")).to_be_visible()

    page.get_by_role("button", name=NAME).click()
    expect(page.get_by_text("MIT-0")).to_be_visible()
    page.get_by_role("button", name="Add this model").click()
    expect(page.get_by_text("The model is here")).to_be_visible()
    shoot(page, "models/added")

    page.get_by_role("link", name="Try it").click()
    page.get_by_role("button", name="Write", exact=True).click()
    expect(page.locator("#trial").get_by_text("a second")).to_be_visible(timeout=60_000)
    shoot(page, "models/tried")

    page.get_by_role("button", name="Use as Writer").click()
    page.get_by_role("dialog").get_by_role("button", name="Use as Writer").click()
    chosen = page.get_by_role("listitem").filter(has_text=NAME).first
    expect(chosen.get_by_text("Writer", exact=True)).to_be_visible()
    starter = page.get_by_role("listitem").filter(has_text="for trying InferenceCloud out")
    expect(starter.get_by_text("Writer before")).to_be_visible()
    shoot(page, "models/chosen")

    starter.get_by_role("button", name="Use as Writer: Starter").click()
    # Meanwhile the page shows a newer state, as it does every second while a model is fetched.
    page.evaluate("for (const form of document.forms) form.replaceWith(form.cloneNode(true))")
    page.get_by_role("dialog").get_by_role("button", name="Use as Writer").click()
    expect(starter.get_by_text("Writer", exact=True)).to_be_visible()


def test_what_was_typed_stays_without_a_network(visit: Visits) -> None:
    visit.recorder.excuse("ERR_INTERNET_DISCONNECTED")
    page = visit("jonas")
    page.get_by_role("link", name="Models").click()
    field = page.get_by_label("Model", exact=True)
    field.fill("https://evil.example/alder/writer")
    page.context.set_offline(True)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("The server cannot be reached")).to_be_visible()
    expect(field).to_have_value("https://evil.example/alder/writer")

    visit.recorder.excuse("status of 422")
    page.context.set_offline(False)
    page.evaluate("Object.defineProperty(navigator, 'onLine', { get: () => false })")
    page.get_by_role("button", name="Look at it").click()  # a server is reached without a network
    expect(page.get_by_text("Nothing else is ever fetched")).to_be_visible()


def test_the_page_fits_a_phone(visit: Visits) -> None:
    page = visit("jonas", "/", viewport=NARROW)
    page.goto(f"{page.url.rstrip('/').partition('/notebooks')[0]}/models/")
    expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()
    wider = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wider
    shoot(page, "models/narrow")
