"""A real Chromium on a real server process; a page that asks another host, or errs, fails its test.

Screenshots lie under test-results/ afterwards.
"""

import re
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests import servers, visitors

RESULTS = servers.ROOT / "test-results"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000  # for the page; a busy machine is no fault of the product
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 360, "height": 780}


@pytest.fixture(scope="package")
def server() -> Iterator[servers.Web]:
    """Return a running instance with the demo."""
    with servers.temporary_folder() as folder:
        web = servers.embedded(folder / "data")
        web.start()
        yield web
        web.kill()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return Chromium, as the system has it."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is not installed")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield running
        running.close()


@dataclass
class Recorder:
    """Everything that a page should not have done."""

    own_hosts: set[str]
    faults: list[str] = field(default_factory=list)
    excused: list[re.Pattern[str]] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Listen to all pages of the context and to its service worker."""
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self._fault(f"uncaught: {error.error}"))

    def excuse(self, pattern: str) -> None:
        """Take no offence at faults that match: the test causes them."""
        self.excused.append(re.compile(pattern))

    @property
    def unexcused(self) -> list[str]:
        """Return the faults that no test asked for."""
        return [
            fault for fault in self.faults if not any(each.search(fault) for each in self.excused)
        ]

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc not in self.own_hosts:
            self._fault(f"request to another host: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._fault(f"console: {message.text} ({message.location.get('url', '')})")

    def _fault(self, what: str) -> None:
        self.faults.append(what)


@dataclass
class Visits:
    """Opens browsers for people."""

    browser: Browser
    server: servers.Web
    recorder: Recorder
    contexts: list[BrowserContext] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        """Return where the instance keeps its data."""
        return Path(self.server.env["DATA_DIR"])

    def __call__(self, name: str = "", path: str = "/", **options: Any) -> Page:
        """Return a page in a browser of its own, signed in as the person (nobody without a name)."""
        context = self.browser.new_context(
            base_url=self.server.url, viewport=options.pop("viewport", WIDE), **options
        )
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        self.recorder.watch(context)
        if name:
            account = visitors.demo_accounts(self.data_dir)[name]
            cookies = visitors.sign_in(self.server.url, account).split("; ")
            context.add_cookies(
                [
                    {"name": key, "value": value, "url": self.server.url}
                    for key, _, value in (cookie.partition("=") for cookie in cookies)
                ]
            )
        page = context.new_page()
        page.goto(path)
        return page

    def notebook(self, title: str) -> str:
        """Return the path of a notebook of the demo."""
        return f"/n/{visitors.notebooks_by_title(self.data_dir)[title]}/"


@pytest.fixture
def recorder(server: servers.Web) -> Recorder:
    """Return what watches all pages of the test."""
    return Recorder(own_hosts={urlsplit(server.url).netloc})


@pytest.fixture
def visit(
    request: pytest.FixtureRequest, browser: Browser, server: servers.Web, recorder: Recorder
) -> Iterator[Visits]:
    """Return a function that opens a browser for a person; afterwards nothing may have gone wrong."""
    visits = Visits(browser=browser, server=server, recorder=recorder)
    yield visits
    if getattr(request.node, "failed", False):
        for number, page in enumerate(page for each in visits.contexts for page in each.pages):
            shoot(page, f"failed/{request.node.name}-{number}")
    for context in visits.contexts:
        context.close()
    assert recorder.unexcused == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures know that their test failed."""
    report = yield
    if call.when == "call":
        item.failed = report.failed  # type: ignore[attr-defined]
    return report


def shoot(page: Page, name: str) -> Path:
    """Keep a picture of the page."""
    path = RESULTS / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        page.screenshot(path=path, animations="disabled")
    except Error as refusal:
        path.with_suffix(".txt").write_text(str(refusal))
    return path
