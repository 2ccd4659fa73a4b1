"""What a page may weigh."""

import gzip

from playwright.sync_api import Page, Response

from tests.e2e.conftest import Visits
from tests.e2e.writing import PLAN

SCRIPTS_KB, REST_KB = 200, 40
REST = {"document", "stylesheet", "image", "fetch", "xhr"}  # all but fonts


def weights(page: Page, path: str) -> dict[str, float]:
    """Return what the page loads by itself, in KB as it is sent: its scripts, and the rest."""
    found = {"script": 0.0, "rest": 0.0}
    seen: list[Response] = []

    def note(response: Response) -> None:
        seen.append(response)

    page.on("response", note)
    page.goto(path, wait_until="networkidle")
    page.remove_listener("response", note)
    for response in seen:
        kind = response.request.resource_type
        if response.ok and kind in {"script", *REST}:
            size = len(gzip.compress(response.body())) / 1024
            found["script" if kind == "script" else "rest"] += size
    return found


def test_a_notebook_weighs_little_and_other_pages_less(visit: Visits) -> None:
    weight = weights(visit("mara"), visit.notebook(PLAN))
    assert weight["script"] <= SCRIPTS_KB
    assert weight["rest"] <= REST_KB

    # In a browser of their own: the notebook's service worker goes on fetching behind other pages.
    page = visit("mara")
    for path in ("/", "/settings/"):
        weight = weights(page, path)
        assert max(weight.values()) <= REST_KB
