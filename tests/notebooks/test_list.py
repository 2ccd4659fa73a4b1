"""The list of notebooks and the trash."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.notebooks.listing import PAGE_SIZE
from apps.notebooks.models import Notebook, Visit
from apps.notebooks.services.notebooks import trash_notebook
from apps.notebooks.services.sharing import share_with_division, share_with_person
from apps.organizations.models import Role
from apps.organizations.policy import Level
from tests import factories
from tests.factories import Company

SignedIn = Callable[[User], Client]


def _url(company: Company, name: str = "list") -> str:
    return reverse(f"notebooks:{name}", args=[company.organization.slug])


def _titles(client: Client, url: str, **asked: object) -> list[str]:
    listing = client.get(url, asked).context["listing"]
    return [row.notebook.title for row in listing.rows]


def _many(company: Company, by: User, number: int) -> list[Notebook]:
    """Create notebooks that have no document: a list does not read any."""
    return Notebook.objects.bulk_create(
        Notebook(
            organization=company.organization,
            workspace=company.launches,
            owner=by,
            edited_by=by,
            title=f"Notebook {at:04}",
            slug=f"notebook-{at}",
            edited_at=timezone.now() - timedelta(minutes=at),
        )
        for at in range(number)
    )


def test_the_list_asks_as_often_for_forty_as_for_two(company: Company, signed_in: SignedIn) -> None:
    editor = factories.member(company.launches)
    client, url = signed_in(editor), _url(company)
    _many(company, editor, 2)
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(url)
    Notebook.objects.all().delete()
    for notebook in _many(company, editor, 60)[:20]:
        share_with_person(
            notebook=notebook, by=editor, person=factories.member(company.shops), level=Level.VIEW
        )
    with CaptureQueriesContext(connection) as many:
        client.get(url)
    assert len(many) == len(few)
    assert len(many) <= 25, "\n".join(query["sql"] for query in many)


def test_the_trash_asks_as_often_for_forty_as_for_two(
    company: Company, signed_in: SignedIn
) -> None:
    editor = factories.member(company.launches)
    client, url = signed_in(editor), _url(company, "trash")
    for notebook in _many(company, editor, 2):
        trash_notebook(notebook=notebook, by=editor)
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    Notebook.objects.all().delete()
    for notebook in _many(company, editor, 30):
        trash_notebook(notebook=notebook, by=editor)
    with CaptureQueriesContext(connection) as many:
        client.get(url)
    assert len(many) == len(few)


def test_a_thousand_notebooks_come_a_page_at_a_time(company: Company, signed_in: SignedIn) -> None:
    editor = factories.member(company.launches)
    _many(company, editor, 1000)
    client, url = signed_in(editor), _url(company)
    seen: list[str] = []
    for page in range(1, 1000 // PAGE_SIZE + 1):
        seen += _titles(client, url, page=page, sort="title")
    assert seen == [f"Notebook {at:04}" for at in range(1000)]


def test_show_more_answers_with_rows_only(company: Company, signed_in: SignedIn) -> None:
    editor = factories.member(company.launches)
    _many(company, editor, PAGE_SIZE + 1)
    client = signed_in(editor)
    page = client.get(_url(company), {"q": "Notebook"}).content.decode()
    assert f'hx-get="{_url(company)}?q=Notebook&amp;page=2"' in page
    headers = {"HX-Request": "true", "HX-Target": "more"}
    rows = client.get(_url(company), {"page": 2}, headers=headers).content.decode()
    assert rows.count("<li") == 1
    assert "<ul" not in rows


def test_searching_answers_with_the_results_and_a_short_address(
    company: Company, signed_in: SignedIn
) -> None:
    editor = factories.member(company.launches)
    _many(company, editor, 3)
    headers = {"HX-Request": "true", "HX-Target": "notebooks"}
    asked = {"q": "0001", "sort": "opened", "whose": "all", "workspace": ""}
    answer = signed_in(editor).get(_url(company), asked, headers=headers)
    assert [row.notebook.title for row in answer.context["listing"].rows] == ["Notebook 0001"]
    assert answer["HX-Replace-Url"] == f"{_url(company)}?q=0001"
    assert "list-tools" not in answer.content.decode()


def test_the_list_stands_in_the_wanted_order(company: Company, signed_in: SignedIn) -> None:
    editor = factories.member(company.launches)
    b, c, a = (
        factories.notebook(company.launches, by=editor, title=title) for title in ["b", "C", "a"]
    )
    now = timezone.now()
    for notebook, minutes in ((a, 3), (b, 1), (c, 2)):
        Notebook.objects.filter(pk=notebook.pk).update(edited_at=now - timedelta(minutes=minutes))
    Visit.objects.create(notebook=c, user=editor)
    Visit.objects.create(notebook=a, user=company.owner)  # somebody else's visit says nothing
    client, url = signed_in(editor), _url(company)
    assert _titles(client, url) == ["C", "b", "a"]
    assert _titles(client, url, sort="edited") == ["b", "C", "a"]
    assert _titles(client, url, sort="title") == ["a", "b", "C"]


def test_the_list_is_narrowed_to_workspace_owner_and_shares(
    company: Company, signed_in: SignedIn
) -> None:
    editor = factories.member(company.brand)
    mine = factories.notebook(company.launches, by=editor, title="mine")
    factories.notebook(company.newsroom, title="colleague's")
    shared = factories.notebook(company.shops, title="shared")
    whole = factories.notebook(company.shops, title="division's")
    share_with_person(notebook=shared, by=shared.owner, person=editor, level=Level.EDIT)
    share_with_division(notebook=whole, by=whole.owner, division=company.brand, level=Level.VIEW)
    share_with_division(notebook=mine, by=editor, division=company.brand, level=Level.VIEW)
    client, url = signed_in(editor), _url(company)
    assert set(_titles(client, url)) == {"mine", "colleague's", "shared", "division's"}
    assert _titles(client, url, whose="mine") == ["mine"]
    assert set(_titles(client, url, whose="shared")) == {"shared", "division's"}
    assert _titles(client, url, workspace=company.newsroom.pk) == ["colleague's"]
    assert _titles(client, url, q="HAR") == ["shared"]


@pytest.mark.parametrize(
    "asked",
    [
        {"sort": "size"},
        {"whose": "everybody"},
        {"workspace": "nowhere"},
        {"page": "-1"},
        {"page": "9999"},
        {"page": "x"},
        {"q": "\x00"},
    ],
)
def test_nonsense_in_the_address_shows_the_usual_list(
    company: Company, signed_in: SignedIn, asked: dict[str, str]
) -> None:
    notebook = factories.notebook(company.launches)
    assert _titles(signed_in(notebook.owner), _url(company), **asked) == ["Launch plan"]


def test_the_menu_of_a_row_holds_what_the_person_may(company: Company, signed_in: SignedIn) -> None:
    notebook = factories.notebook(company.launches)
    share = reverse("notebooks:share", args=[notebook.pk])
    duplicate = reverse("notebooks:duplicate", args=[notebook.pk])
    owners = signed_in(notebook.owner).get(_url(company)).content.decode()
    assert share in owners
    assert duplicate in owners
    viewer = factories.member(company.launches, Role.VIEWER)
    viewers = signed_in(viewer).get(_url(company)).content.decode()
    assert share not in viewers
    assert duplicate not in viewers  # there is no place for the copy
    assert "Read only" in viewers


def test_empty_lists_say_how_to_begin(company: Company, signed_in: SignedIn) -> None:
    editor, guest = factories.member(company.launches), factories.member(company.shops, Role.GUEST)
    assert "Your first notebook" in signed_in(editor).get(_url(company)).content.decode()
    assert "Nothing for you yet" in signed_in(guest).get(_url(company)).content.decode()
    searched = signed_in(editor).get(_url(company), {"q": "x"}).content.decode()
    assert "Nothing fits" in searched
    assert "The trash is empty" in signed_in(editor).get(_url(company, "trash")).content.decode()


def test_a_title_is_text_and_never_markup(company: Company, signed_in: SignedIn) -> None:
    notebook = factories.notebook(company.launches, title='<img src=x onerror="alert(1)">')
    page = signed_in(notebook.owner).get(_url(company)).content.decode()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_the_trash_is_left_out_of_the_list_and_lets_managers_restore(
    company: Company, signed_in: SignedIn
) -> None:
    notebook = factories.notebook(company.launches)
    viewer = factories.member(company.launches, Role.VIEWER)
    trash_notebook(notebook=notebook, by=notebook.owner)
    assert _titles(signed_in(notebook.owner), _url(company)) == []
    restore = reverse("notebooks:restore", args=[notebook.pk])
    assert restore in signed_in(notebook.owner).get(_url(company, "trash")).content.decode()
    viewers = signed_in(viewer).get(_url(company, "trash")).content.decode()
    assert "Launch plan" in viewers
    assert restore not in viewers


@pytest.mark.parametrize("name", ["list", "trash"])
def test_another_organization_is_not_there(
    company: Company, signed_in: SignedIn, name: str
) -> None:
    stranger = factories.company("Elsewhere").owner
    assert signed_in(stranger).get(_url(company, name)).status_code == 404


def test_the_list_holds_no_notebook_of_another_organization(
    company: Company, signed_in: SignedIn
) -> None:
    elsewhere = factories.company("Elsewhere")
    both = factories.member(company.launches)
    factories.member(elsewhere.launches, user=both)
    factories.notebook(company.launches, title="here")
    factories.notebook(elsewhere.launches, title="there")
    assert _titles(signed_in(both), _url(company)) == ["here"]
    assert _titles(signed_in(both), _url(elsewhere)) == ["there"]
