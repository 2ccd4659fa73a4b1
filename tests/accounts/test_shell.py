"""What is around every page: theme, rail, htmx, the pages of failure, symbols."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from tests.accounts.pages import check, check_text

ROOT = Path(__file__).resolve().parent.parent.parent
SignedIn = Callable[[User], Client]


@pytest.mark.parametrize(
    ("cookie", "account", "shown"),
    [
        ("", "system", None),
        ("", "dark", "dark"),
        ("light", "dark", "light"),
        ("system", "dark", None),
        ("no-such-theme", "system", None),
    ],
)
def test_the_page_comes_in_the_theme_of_the_device_then_of_the_account(
    cookie: str, account: str, shown: str | None, mara: User, signed_in: SignedIn
) -> None:
    User.objects.filter(pk=mara.pk).update(theme=account)
    client = signed_in(mara)
    if cookie:
        client.cookies["theme"] = cookie

    html = client.get(reverse("accounts:profile")).content.decode()

    found = re.search(r'<html[^>]*data-theme="([^"]*)"', html)
    assert (found[1] if found else None) == shown


def test_the_rail_comes_as_narrow_as_it_was_left(mara: User, signed_in: SignedIn) -> None:
    client = signed_in(mara)
    client.cookies["rail"] = "narrow"

    html = client.get(reverse("accounts:profile")).content.decode()

    assert re.search(r'<html[^>]*data-rail="narrow"', html)


def test_htmx_swaps_a_refused_form_and_runs_no_text_as_code(db: None) -> None:
    html = Client().get(reverse("account_login")).content.decode()
    found = re.search(r"name=\"htmx-config\"\s+content='([^']+)'", html)
    assert found is not None

    config = json.loads(found[1])

    assert {"code": "422", "swap": True} in config["responseHandling"]
    assert config["allowEval"] is False
    assert config["includeIndicatorStyles"] is False
    assert config["historyCacheSize"] == 0  # no copy of private pages in the browser


def test_a_request_without_its_token_is_told_to_try_again(db: None) -> None:
    response = Client(enforce_csrf_checks=True).post(reverse("account_login"), {"login": "a"})

    assert response.status_code == 403
    assert "Please try once more" in check_text(response.content.decode())


def test_an_address_that_leads_nowhere_says_so_in_words(db: None) -> None:
    response = Client().get("/no/such/page/")

    assert response.status_code == 404
    assert "There is nothing here for you" in check_text(response.content.decode())


@pytest.mark.parametrize("name", ["403.html", "500.html", "429.html", "account/signup_closed.html"])
def test_a_page_of_failure_needs_neither_request_nor_person(name: str) -> None:
    check(render_to_string(name))


def test_every_icon_in_a_template_is_in_the_sprite() -> None:
    known = set(json.loads((ROOT / "static/core/icons.json").read_text()))
    used: dict[str, str] = {}
    for template in (ROOT / "templates").rglob("*.html"):
        text = template.read_text()
        for name in re.findall(r'components/icon\.html" with name="([^"]+)"', text):
            used[name] = template.name
        for name in re.findall(r'components/empty\.html" with icon="([^"]+)"', text):
            used[name] = template.name

    assert {name: at for name, at in used.items() if name not in known} == {}
