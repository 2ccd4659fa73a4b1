"""One person's browser window for the tests of accounts: it notes errors and requests to strangers."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parent.parent.parent
SHOTS = ROOT / "test-results" / "accounts"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = """axe.run(document, {resultTypes: ["violations"]}).then((found) => JSON.stringify(
  found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => [one.id, one.nodes.map((node) => node.target.join(" "))])))"""


class Window:
    """A page in a browser context of its own."""

    def __init__(
        self, browser: Browser, base: str, *, width: int = 1440, scheme: Any = "light"
    ) -> None:
        height = 760 if width < 600 else 900
        self.base, self.name = base, f"{width}-{scheme}"
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            has_touch=width < 600,
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", self._hear)
        self.page.on("request", lambda request: self._notice(request.url))

    def _hear(self, message: Any) -> None:
        if message.type == "error" and "status of 4" not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _notice(self, url: str) -> None:
        if not url.startswith((self.base, "data:", "blob:")):
            self.complaints.append(f"asked a stranger: {url}")

    def close(self) -> None:
        """Forget everything that the window holds."""
        self.context.close()

    def go(self, path: str) -> Page:
        """Open a page of ours."""
        self.page.goto(self.base + path, wait_until="load")
        return self.page

    def sign_in(self, email: str, password: str) -> None:
        """Sign in through the form."""
        self.go("/accounts/login/")
        self.page.fill("#id_login", email)
        self.page.fill("#id_password", password)
        with self.page.expect_navigation():
            self.page.press("#id_password", "Enter")

    def shoot(self, name: str) -> None:
        """Keep a picture of what is in sight under test-results/."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}-{self.name}.png")

    def serious(self) -> list[Any]:
        """Return what axe finds serious or worse; it runs beside the page, past its strict policy."""
        devtools = self.context.new_cdp_session(self.page)
        devtools.send("Runtime.evaluate", {"expression": AXE.read_text()})
        answer = devtools.send(
            "Runtime.evaluate",
            {"expression": RUN_AXE, "awaitPromise": True, "returnByValue": True},
        )
        found: list[Any] = json.loads(answer["result"]["value"])
        return found

    def overflows(self) -> bool:
        """Say whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
