"""The share dialog: what it shows, understands and answers."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.notebooks import access_list, selectors
from apps.notebooks.models import Notebook, ShareGrant
from apps.notebooks.services import sharing as services
from apps.organizations.models import Role
from apps.organizations.policy import Level
from apps.realtime.events import Event
from tests import factories
from tests.factories import Company

SignedIn = Callable[[User], Client]
Published = list[tuple[str, Event]]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def notebook(company: Company) -> Notebook:
    """Return a private notebook of an editor in launches."""
    return factories.notebook(company.launches, audience=Notebook.Audience.PRIVATE)


@pytest.fixture
def colleague(company: Company) -> User:
    """Return somebody of the other division."""
    return factories.member(company.shops)


def _link(notebook: Notebook, level: Level = Level.VIEW, days: int = 7) -> ShareGrant:
    return services.create_link(notebook=notebook, by=notebook.owner, level=level, days=days)


def test_the_list_of_access_says_who_and_why(company: Company, notebook: Notebook) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    editor = factories.member(company.launches, Role.EDITOR)
    factories.member(company.launches, Role.VIEWER, user=lead)  # the higher one counts
    factories.member(company.organization, Role.ADMIN)  # administers without reading
    expired = ShareGrant.objects.create(notebook=notebook, user=editor, level=Level.VIEW)
    ShareGrant.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    private = access_list.access_list(notebook)
    assert [(one.person, one.level, one.place) for one in private.by_role] == [
        (lead, Level.MANAGE, "Brand")
    ]
    assert private.people == []
    notebook.audience = Notebook.Audience.WORKSPACE
    shown = [(one.person, one.level_label) for one in access_list.access_list(notebook).by_role]
    assert shown == [(lead, "Can manage"), (editor, "Can edit and update")]


def test_suggestions_find_by_name_and_address_within_the_organization(
    company: Company, notebook: Notebook
) -> None:
    mara = factories.member(
        company.shops, user=factories.person("Mara Lind", email="m.lind@example.com")
    )
    factories.person("Mara Elsewhere")
    gone = factories.member(company.shops, user=factories.person("Mara Gone"))
    User.objects.filter(pk=gone.pk).update(is_active=False)
    for words in ("mara", "LIND@"):
        assert access_list.suggestions(notebook, words).people == [mara]
    assert access_list.suggestions(notebook, "retail").divisions == [company.retail]
    assert access_list.suggestions(notebook, "  ").people == []


def test_sharing_by_the_dialog_with_a_chosen_or_a_typed_person(
    company: Company, notebook: Notebook, signed_in: SignedIn
) -> None:
    client, url = signed_in(notebook.owner), reverse("notebooks:share_add", args=[notebook.pk])
    chosen, typed, named = (factories.member(company.shops) for _ in range(3))
    for fields in (
        {"person": chosen.pk, "who": "pers"},
        {"who": typed.email.upper()},
        {"who": str(named)},
        {"division": company.retail.pk},
    ):
        assert client.post(url, {**fields, "level": Level.EDIT}, headers=HTMX).status_code == 200
    assert set(notebook.grants.values_list("user", "division")) == {
        (chosen.pk, None),
        (typed.pk, None),
        (named.pk, None),
        (None, company.retail.pk),
    }


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"who": "nobody at all"}, "choose from the list"),
        ({"who": ""}, "choose from the list"),
        ({"who": "Twin"}, "choose one from the list"),
        ({"who": "Twin", "level": "70"}, "please choose again"),
        ({"person": "no-id"}, "please choose again"),
    ],
)
def test_what_the_dialog_does_not_understand_it_says(
    company: Company,
    notebook: Notebook,
    signed_in: SignedIn,
    fields: dict[str, str],
    reason: str,
) -> None:
    for _ in range(2):
        factories.member(company.shops, user=factories.person("Twin"))
    url = reverse("notebooks:share_add", args=[notebook.pk])
    answer = signed_in(notebook.owner).post(url, {"level": "40", **fields}, headers=HTMX)
    assert answer.status_code == 422
    assert reason in answer.content.decode()
    assert not notebook.grants.exists()


def test_nobody_outside_is_found_by_the_dialog(notebook: Notebook, signed_in: SignedIn) -> None:
    elsewhere = factories.company("Elsewhere")
    url = reverse("notebooks:share_add", args=[notebook.pk])
    client = signed_in(notebook.owner)
    for fields in ({"person": elsewhere.owner.pk}, {"division": elsewhere.brand.pk}):
        assert client.post(url, {**fields, "level": Level.VIEW}).status_code == 422
    assert not notebook.grants.exists()


def test_the_dialog_changes_and_withdraws(
    notebook: Notebook, colleague: User, signed_in: SignedIn
) -> None:
    client = signed_in(notebook.owner)
    grant = services.share_with_person(
        notebook=notebook, by=notebook.owner, person=colleague, level=Level.VIEW
    )
    change = reverse("notebooks:share_change", args=[notebook.pk, grant.pk])
    client.post(change, {"level": Level.RUN}, headers=HTMX)
    assert selectors.level_of(colleague, notebook) == Level.RUN
    client.post(reverse("notebooks:share_withdraw", args=[notebook.pk, grant.pk]), headers=HTMX)
    assert selectors.level_of(colleague, notebook) == Level.NONE


def test_a_grant_of_another_notebook_is_not_there(
    company: Company, notebook: Notebook, colleague: User, signed_in: SignedIn
) -> None:
    other = factories.notebook(company.shops)
    grant = ShareGrant.objects.create(notebook=other, user=colleague, level=Level.VIEW)
    client = signed_in(notebook.owner)
    for route, fields in (("share_change", {"level": 60}), ("share_withdraw", {})):
        url = reverse(f"notebooks:{route}", args=[notebook.pk, grant.pk])
        assert client.post(url, fields).status_code == 404
    assert ShareGrant.objects.get().level == Level.VIEW


def test_who_lowers_the_own_share_is_led_away(
    notebook: Notebook, colleague: User, signed_in: SignedIn
) -> None:
    client = signed_in(colleague)
    away = reverse("notebooks:list", args=[notebook.organization.slug])
    grant = ShareGrant.objects.create(notebook=notebook, user=colleague, level=Level.MANAGE)
    change = reverse("notebooks:share_change", args=[notebook.pk, grant.pk])
    answer = client.post(change, {"level": Level.EDIT}, headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, away)
    ShareGrant.objects.update(level=Level.MANAGE)
    withdraw = reverse("notebooks:share_withdraw", args=[notebook.pk, grant.pk])
    assert client.post(withdraw)["Location"] == away


def test_the_dialog_creates_links_that_can_be_copied(
    notebook: Notebook, colleague: User, signed_in: SignedIn
) -> None:
    url = reverse("notebooks:share_link", args=[notebook.pk])
    page = signed_in(notebook.owner).post(url, {"level": 10, "days": 7}, headers=HTMX)
    token = services.link_token(ShareGrant.objects.get())
    assert f'data-copy-text="http://testserver/s/{token}/"' in page.content.decode()
    refused = signed_in(notebook.owner).post(url, {"level": 10, "days": 8}, headers=HTMX)
    assert refused.status_code == 422
    assert signed_in(colleague).get(f"/s/{token}/").status_code == 302


def test_the_dialog_opens_and_closes_and_hands_over(
    notebook: Notebook, colleague: User, signed_in: SignedIn
) -> None:
    client = signed_in(notebook.owner)
    audience = reverse("notebooks:share_audience", args=[notebook.pk])
    client.post(audience, {"audience": "workspace"}, headers=HTMX)
    assert client.post(audience, {"audience": "world"}, headers=HTMX).status_code == 422
    grant = services.share_with_person(
        notebook=notebook, by=notebook.owner, person=colleague, level=Level.VIEW
    )
    owner = reverse("notebooks:share_owner", args=[notebook.pk])
    assert client.post(owner, {"grant": notebook.pk}, headers=HTMX).status_code == 422
    client.post(owner, {"grant": grant.pk}, headers=HTMX)
    notebook.refresh_from_db()
    assert (notebook.owner, notebook.audience) == (colleague, "workspace")


def test_without_a_script_the_dialog_is_a_page(
    notebook: Notebook, colleague: User, signed_in: SignedIn
) -> None:
    client, url = signed_in(notebook.owner), reverse("notebooks:share", args=[notebook.pk])
    assert "<html" in client.get(url).content.decode()
    assert "<html" not in client.get(url, headers=HTMX).content.decode()
    add = reverse("notebooks:share_add", args=[notebook.pk])
    answer = client.post(add, {"who": colleague.email, "level": Level.VIEW}, follow=True)
    assert answer.redirect_chain == [(url, 302)]
    assert str(colleague) in answer.content.decode()


def test_the_dialog_asks_as_often_for_many_as_for_one(
    company: Company,
    notebook: Notebook,
    signed_in: SignedIn,
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    for _ in range(15):
        person = factories.member(company.shops)
        factories.member(company.brand, Role.DIVISION_LEAD)
        ShareGrant.objects.create(
            notebook=notebook, user=person, level=Level.VIEW, created_by=notebook.owner
        )
        _link(notebook)
    client, url = signed_in(notebook.owner), reverse("notebooks:share", args=[notebook.pk])
    with django_assert_max_num_queries(24):  # type: ignore[attr-defined]
        client.get(url)


def test_the_search_in_the_dialog_answers_with_suggestions_only(
    company: Company, notebook: Notebook, signed_in: SignedIn
) -> None:
    url = reverse("notebooks:share_search", args=[notebook.pk])
    client = signed_in(notebook.owner)
    found = client.get(url, {"who": "retail"}, headers=HTMX).content.decode()
    assert f'value="{company.retail.pk}"' in found
    assert "<html" not in found
    nobody = client.get(url, {"who": "xyz"}, headers=HTMX).content.decode()
    assert "has to be invited first" in nobody
