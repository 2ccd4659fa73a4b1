"""The page of a notebook: who sees what, and what the editor is given."""

import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from apps.accounts.models import User
from apps.notebooks.models import SCHEMA_VERSION, Notebook, ShareGrant, Visit
from apps.notebooks.services.notebooks import TITLE_LIMIT, trash_notebook
from apps.notebooks.views.editor_words import editor_words
from apps.organizations.models import AuditEvent, Role
from apps.organizations.policy import Level
from apps.realtime.events import Event
from tests import factories
from tests.factories import Company
from tests.organizations.fixtures import SignedIn

SOURCES = Path(settings.BASE_DIR) / "static" / "notebooks"


@pytest.fixture
def book(company: Company) -> Notebook:
    return factories.notebook(company.launches, title="Kettle <launch>")


def _page(client: Client, book: Notebook) -> str:
    answer = client.get(f"/n/{book.pk}/")
    assert answer.status_code == HTTPStatus.OK
    return answer.content.decode()


def _data(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="notebook-data" type="application/json">(.*?)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def _with_level(book: Notebook, level: Level) -> User:
    """Return somebody of the organization who holds just this level."""
    reader = factories.member(book.organization, Role.GUEST)
    ShareGrant.objects.create(notebook=book, user=reader, level=level)
    return reader


def test_the_editor_gets_person_level_and_addresses(book: Notebook, signed_in: SignedIn) -> None:
    data = _data(_page(signed_in(book.owner), book))

    assert data["notebook"] == {"id": str(book.pk), "title": "Kettle <launch>"}
    assert data["user"] == {
        "id": str(book.owner.pk),
        "name": str(book.owner),
        "color": book.owner.caret_color,
    }
    assert (data["level"], data["trashed"]) == (Level.MANAGE, False)
    assert data["schemaVersion"] == SCHEMA_VERSION
    assert data["epoch"] == str(book.document.epoch)
    assert (
        data["urls"].items()
        >= {
            "page": f"/n/{book.pk}/",
            "updates": f"/n/{book.pk}/updates/",
            "fork": f"/n/{book.pk}/fork/",
            "images": f"/n/{book.pk}/images/",
            "rename": f"/n/{book.pk}/title/",
        }.items()
    )


@pytest.mark.parametrize("level", [one for one in Level if one >= Level.VIEW])
def test_what_a_level_may_not_do_is_not_offered(
    book: Notebook, signed_in: SignedIn, level: Level
) -> None:
    page = _page(signed_in(_with_level(book, level)), book)

    assert _data(page)["level"] == level
    assert ("<textarea data-title" in page) == (level >= Level.EDIT)
    assert (f"/n/{book.pk}/share/" in page) == (level >= Level.MANAGE)
    assert (f"/n/{book.pk}/move/" in page) == (level >= Level.MANAGE)
    assert (f"/n/{book.pk}/trash/" in page) == (level >= Level.MANAGE)


def test_duplicate_is_offered_where_one_may_write_somewhere(
    book: Notebook, signed_in: SignedIn
) -> None:
    guest = _with_level(book, Level.VIEW)

    assert f"/n/{book.pk}/duplicate/" in _page(signed_in(book.owner), book)
    assert f"/n/{book.pk}/duplicate/" not in _page(signed_in(guest), book)


def test_in_the_trash_it_can_be_read_and_restored(book: Notebook, signed_in: SignedIn) -> None:
    trash_notebook(notebook=book, by=book.owner)

    page = _page(signed_in(book.owner), book)

    assert _data(page)["trashed"] is True
    assert "<textarea data-title" not in page
    assert f"/n/{book.pk}/restore/" in page
    assert f"/n/{book.pk}/share/" not in page


def test_whoever_may_not_see_it_finds_nothing(
    book: Notebook, signed_in: SignedIn, company: Company
) -> None:
    stranger = factories.member(company.shops)

    assert signed_in(stranger).get(f"/n/{book.pk}/").status_code == HTTPStatus.NOT_FOUND
    assert Client().get(f"/n/{book.pk}/").status_code == HTTPStatus.FOUND


def test_a_visit_is_kept_for_the_list(book: Notebook, signed_in: SignedIn) -> None:
    _page(signed_in(book.owner), book)
    _page(signed_in(book.owner), book)

    assert Visit.objects.filter(notebook=book, user=book.owner).count() == 1


def test_the_page_carries_no_code_and_no_style_of_its_own(
    book: Notebook, signed_in: SignedIn
) -> None:
    page = _page(signed_in(book.owner), book)

    inline = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page)
    assert inline == ['<script id="notebook-data" type="application/json">']
    assert not re.search(r"\sstyle=|<style|\son\w+=", page)
    assert "Kettle <launch>" not in page


def test_renaming_tells_everybody(
    book: Notebook, signed_in: SignedIn, published: list[tuple[str, Event]]
) -> None:
    answer = signed_in(book.owner).post(f"/n/{book.pk}/title/", {"title": "  Teapot "})

    assert answer.json() == {"title": "Teapot"}
    book.refresh_from_db()
    assert book.title == "Teapot"
    assert [event.to_wire()["title"] for _topic, event in published] == ["Teapot"]
    assert AuditEvent.objects.filter(verb="notebook.renamed", actor=book.owner).count() == 1


def test_a_title_may_be_empty_but_not_too_long(book: Notebook, signed_in: SignedIn) -> None:
    client = signed_in(book.owner)

    assert client.post(f"/n/{book.pk}/title/", {"title": ""}).json() == {"title": ""}
    refused = client.post(f"/n/{book.pk}/title/", {"title": "x" * (TITLE_LIMIT + 1)})

    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert str(TITLE_LIMIT) in refused.json()["error"]


def test_readers_rename_nothing(book: Notebook, signed_in: SignedIn) -> None:
    reader = _with_level(book, Level.SUGGEST)

    answer = signed_in(reader).post(f"/n/{book.pk}/title/", {"title": "Mine"})

    assert answer.status_code == HTTPStatus.NOT_FOUND


def test_browser_and_server_agree_on_the_schema() -> None:
    version = (SOURCES / "schema" / "version.js").read_text()

    assert f"SCHEMA_VERSION = {SCHEMA_VERSION};" in version


def test_every_word_of_the_editor_is_given_and_used() -> None:
    code = "".join(path.read_text() for path in SOURCES.glob("*/*.js"))
    with translation.override("en"):
        given = set(editor_words())

    said = set(re.findall(r'say\(\s*"(\w+)"', code))
    assert {key for key in said if key not in given and f"{key}_other" not in given} == set()
    quoted = set(re.findall(r'"(\w+)"', code))
    used = quoted | {f"{key}_{form}" for key in quoted for form in ("one", "other")}
    composed = ("kind_", "hint_", "search_", "state_", "mark_", "chain_", "verdict_")
    assert {key for key in given - used if not key.startswith(composed)} == set()
