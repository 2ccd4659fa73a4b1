"""Sharing: people, divisions, audience, links and the door that they open."""

import hashlib
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.notebooks import selectors
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


def test_a_grant_ends_with_the_membership(notebook: Notebook, colleague: User) -> None:
    services.share_with_person(
        notebook=notebook, by=notebook.owner, person=colleague, level=Level.EDIT
    )
    Membership.objects.filter(user=colleague).delete()
    assert selectors.level_of(colleague, notebook) == Level.NONE


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
