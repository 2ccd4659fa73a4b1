"""Sharing: people, divisions, links, audience; the dialog and the door of a link."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.notebooks import access_list, selectors
from apps.notebooks.models import Notebook, ShareGrant
from apps.notebooks.services import sharing as services
from apps.notebooks.services.notebooks import NotAMember, OtherOrganization, trash_notebook
from apps.organizations.models import AuditEvent, Membership, Role
from apps.organizations.policy import Level
from apps.realtime.access import AccessChanged
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


# --- people and divisions


def test_sharing_gives_the_level_and_sharing_again_changes_it(
    notebook: Notebook, colleague: User, published: Published
) -> None:
    for level in (Level.MANAGE, Level.COMMENT):
        services.share_with_person(
            notebook=notebook, by=notebook.owner, person=colleague, level=level
        )
        assert selectors.level_of(colleague, notebook) == level
    assert notebook.grants.count() == 1
    assert published == [(f"user.{colleague.pk}", AccessChanged())] * 2
    event = AuditEvent.objects.filter(verb="notebook.shared").first()
    assert event is not None
    assert event.data == {
        "with": "person",
        "name": str(colleague),
        "level": "comment",
        "until": None,
    }


def test_sharing_with_the_owner_is_refused(notebook: Notebook) -> None:
    with pytest.raises(services.OwnerHasEverything, match="may do everything"):
        services.share_with_person(
            notebook=notebook, by=notebook.owner, person=notebook.owner, level=Level.VIEW
        )


def test_sharing_stays_within_the_organization(notebook: Notebook) -> None:
    elsewhere = factories.company("Elsewhere")
    with pytest.raises(NotAMember):
        services.share_with_person(
            notebook=notebook, by=notebook.owner, person=elsewhere.owner, level=Level.VIEW
        )
    with pytest.raises(OtherOrganization):
        services.share_with_division(
            notebook=notebook, by=notebook.owner, division=elsewhere.brand, level=Level.VIEW
        )


def test_a_division_shares_once_and_tells_the_open_pages(
    company: Company, notebook: Notebook, colleague: User, published: Published
) -> None:
    for level in (Level.VIEW, Level.EDIT):
        services.share_with_division(
            notebook=notebook, by=notebook.owner, division=company.retail, level=level
        )
    assert selectors.level_of(colleague, notebook) == Level.EDIT
    assert notebook.grants.count() == 1
    assert published == [(f"notebook.{notebook.pk}", AccessChanged())] * 2


@pytest.mark.parametrize("own", [Level.VIEW, Level.EDIT, Level.RUN])
def test_nobody_gives_or_takes_above_the_own_level(
    company: Company, notebook: Notebook, colleague: User, own: Level
) -> None:
    above = Level(own + 10)
    ShareGrant.objects.create(notebook=notebook, user=colleague, level=own)
    grant = ShareGrant.objects.create(notebook=notebook, division=company.brand, level=above)
    other = factories.member(company.newsroom)
    for attempt in (
        lambda: services.share_with_person(
            notebook=notebook, by=colleague, person=other, level=above
        ),
        lambda: services.share_with_division(
            notebook=notebook, by=colleague, division=company.retail, level=above
        ),
        lambda: services.create_link(notebook=notebook, by=colleague, level=above, days=1),
        lambda: services.change_grant(grant=grant, by=colleague, level=Level.VIEW),
        lambda: services.withdraw_grant(grant=grant, by=colleague),
    ):
        with pytest.raises(services.AboveOwnLevel, match=own.name.lower()):
            attempt()
    services.share_with_person(notebook=notebook, by=colleague, person=other, level=own)


def test_withdrawing_closes_the_notebook(
    notebook: Notebook, colleague: User, published: Published
) -> None:
    grant = services.share_with_person(
        notebook=notebook, by=notebook.owner, person=colleague, level=Level.EDIT
    )
    published.clear()
    services.withdraw_grant(grant=grant, by=notebook.owner)
    assert selectors.level_of(colleague, notebook) == Level.NONE
    assert published == [(f"user.{colleague.pk}", AccessChanged())]
    assert AuditEvent.objects.filter(verb="notebook.share_withdrawn").count() == 1


def test_the_owner_manages_when_every_share_is_withdrawn(
    notebook: Notebook, colleague: User
) -> None:
    services.share_with_person(
        notebook=notebook, by=notebook.owner, person=colleague, level=Level.MANAGE
    )
    for grant in notebook.grants.all():
        services.withdraw_grant(grant=grant, by=colleague)
    assert selectors.level_of(notebook.owner, notebook) == Level.MANAGE


def test_the_audience_opens_and_closes_the_notebook_to_its_workspace(
    company: Company, notebook: Notebook, published: Published
) -> None:
    viewer = factories.member(company.launches, Role.VIEWER)
    for audience, level in (("workspace", Level.VIEW), ("private", Level.NONE)):
        notebook = services.change_audience(notebook=notebook, by=notebook.owner, audience=audience)
        assert selectors.level_of(viewer, notebook) == level
    services.change_audience(notebook=notebook, by=notebook.owner, audience="private")
    assert published == [(f"notebook.{notebook.pk}", AccessChanged())] * 2
    assert AuditEvent.objects.filter(verb="notebook.audience_changed").count() == 2


# --- links


def test_only_the_hash_of_a_link_is_stored_and_the_link_can_be_shown_again(
    notebook: Notebook,
) -> None:
    link = _link(notebook)
    token = services.link_token(ShareGrant.objects.get(pk=link.pk))
    assert link.link_sha256 == hashlib.sha256(token.encode()).hexdigest()
    assert len(token) == 43  # 256 bits
    assert services.link_token(_link(notebook)) != token
    stored = ShareGrant.objects.filter(pk=link.pk).values().get()
    assert token not in str(stored)


def test_a_link_of_another_installation_opens_nothing(
    notebook: Notebook, colleague: User, settings: object
) -> None:
    link = _link(notebook)
    settings.SECRET_KEY = "another key"  # type: ignore[attr-defined]
    with pytest.raises(NotVisible):
        services.open_link(token=services.link_token(link), by=colleague)


def test_who_opens_a_link_holds_its_level_until_it_ends(
    notebook: Notebook, colleague: User, published: Published
) -> None:
    link = _link(notebook, Level.EDIT, days=1)
    published.clear()
    for _ in range(2):
        services.open_link(token=services.link_token(link), by=colleague)
    grant = ShareGrant.objects.get(user=colleague)
    assert (grant.level, grant.expires_at, grant.through_link) == (
        Level.EDIT,
        link.expires_at,
        link,
    )
    assert selectors.level_of(colleague, notebook) == Level.EDIT
    assert published == [(f"user.{colleague.pk}", AccessChanged())]
    ShareGrant.objects.update(expires_at=timezone.now())
    assert selectors.level_of(colleague, notebook) == Level.NONE
    with pytest.raises(NotVisible):
        services.open_link(token=services.link_token(link), by=colleague)


def test_a_link_gives_nothing_to_who_has_as_much(notebook: Notebook) -> None:
    link = _link(notebook, Level.MANAGE)
    services.open_link(token=services.link_token(link), by=notebook.owner)
    assert not ShareGrant.objects.filter(user=notebook.owner).exists()


def test_a_links_level_is_that_of_everybody_who_came_by_it(
    notebook: Notebook, colleague: User
) -> None:
    link = _link(notebook, Level.EDIT)
    services.open_link(token=services.link_token(link), by=colleague)
    services.change_grant(grant=link, by=notebook.owner, level=Level.VIEW)
    assert selectors.level_of(colleague, notebook) == Level.VIEW
    services.withdraw_grant(grant=link, by=notebook.owner)
    assert selectors.level_of(colleague, notebook) == Level.NONE


@pytest.mark.parametrize("days", [0, 2, 365])
def test_a_link_lives_as_long_as_is_offered(notebook: Notebook, days: int) -> None:
    with pytest.raises(services.LinkDaysNotOffered, match=f"got {days}"):
        _link(notebook, days=days)


@pytest.mark.parametrize("days", services.LINK_DAYS)
def test_a_link_ends_after_its_days(notebook: Notebook, days: int) -> None:
    ends = _link(notebook, days=days).expires_at
    assert ends is not None
    assert abs(ends - timezone.now() - timedelta(days=days)) < timedelta(minutes=1)


def test_a_link_opens_nothing_to_strangers_or_into_the_trash(
    notebook: Notebook, colleague: User, signed_in: SignedIn
) -> None:
    url = reverse("notebooks:open_link", args=[services.link_token(_link(notebook))])
    stranger = factories.company("Elsewhere").owner
    assert signed_in(stranger).get(url).status_code == 404
    assert signed_in(colleague).get("/s/no-such-link/").status_code == 404
    trash_notebook(notebook=notebook, by=notebook.owner)
    assert signed_in(colleague).get(url).status_code == 404
    assert not ShareGrant.objects.filter(user__isnull=False).exists()


def test_a_link_leads_to_sign_in_and_back(
    notebook: Notebook, colleague: User, client: Client, signed_in: SignedIn
) -> None:
    url = reverse("notebooks:open_link", args=[services.link_token(_link(notebook))])
    assert client.get(url)["Location"] == f"{reverse('account_login')}?next={url}"
    opened = signed_in(colleague).get(url)
    assert opened["Location"] == reverse("notebooks:notebook", args=[notebook.pk])


# --- the dialog


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


def test_a_grant_ends_with_the_membership(notebook: Notebook, colleague: User) -> None:
    services.share_with_person(
        notebook=notebook, by=notebook.owner, person=colleague, level=Level.EDIT
    )
    Membership.objects.filter(user=colleague).delete()
    assert selectors.level_of(colleague, notebook) == Level.NONE
