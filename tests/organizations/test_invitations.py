"""Invitations by link."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from apps.accounts.models import User
from apps.organizations.models import AuditEvent, Invitation, Membership, Role
from apps.organizations.services import invitations, memberships
from apps.organizations.services.invitations import Invited
from apps.organizations.services.memberships import RoleGiven
from tests import factories
from tests.factories import Company
from tests.organizations.fixtures import SignedIn


def _invite(company: Company, *, email: str = "", by: User | None = None) -> Invited:
    given = RoleGiven(scope=company.launches, role=Role.EDITOR)
    return invitations.invite(given=given, email=email, by=by or company.owner)


def test_a_link_makes_one_person_a_member(company: Company) -> None:
    invited = _invite(company)
    newcomer = factories.person()
    membership = invitations.accept_invitation(invitation=invited.invitation, user=newcomer)
    assert (membership.scope, membership.role) == (company.launches, Role.EDITOR)
    with pytest.raises(invitations.InvitationClosed):
        invitations.accept_invitation(invitation=invited.invitation, user=factories.person())
    assert AuditEvent.objects.get(verb="invitation.accepted").actor == newcomer


def test_the_database_does_not_know_the_link(company: Company) -> None:
    invited = _invite(company)
    token = invited.url.rstrip("/").rsplit("/", 1)[1]
    row = Invitation.objects.values().get()
    assert token not in str(row)
    assert AuditEvent.objects.filter(data__icontains=token).count() == 0


def test_a_link_is_mailed_when_an_address_is_known(
    company: Company, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        invited = _invite(company, email="Nora@Example.com")
    [letter] = mail.outbox
    assert letter.to == ["nora@example.com"]
    assert invited.url in letter.body
    assert company.owner.name in letter.subject


def test_only_the_owner_of_the_address_accepts(company: Company) -> None:
    invited = _invite(company, email="nora@example.com")
    with pytest.raises(invitations.InvitationForAnother, match="for nora"):
        invitations.accept_invitation(invitation=invited.invitation, user=factories.person())
    nora = factories.person(email="nora@example.com")
    invitations.accept_invitation(invitation=invited.invitation, user=nora)
    assert Membership.objects.filter(user=nora).exists()


def test_an_address_that_is_not_confirmed_does_not_count(company: Company) -> None:
    invited = _invite(company, email="nora@example.com")
    nora = factories.person(email="nora@example.com")
    EmailAddress.objects.filter(user=nora).update(verified=False)
    with pytest.raises(invitations.InvitationForAnother):
        invitations.accept_invitation(invitation=invited.invitation, user=nora)


def test_a_link_ends_after_its_days(company: Company) -> None:
    invited = _invite(company)
    days = invited.invitation.expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < days <= timedelta(days=7)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(invitations.InvitationClosed):
        invitations.accept_invitation(invitation=invited.invitation, user=factories.person())


def test_a_withdrawn_link_lets_nobody_in(company: Company) -> None:
    invited = _invite(company)
    invitations.withdraw_invitation(invitation=invited.invitation, by=company.owner)
    with pytest.raises(invitations.InvitationClosed):
        invitations.accept_invitation(invitation=invited.invitation, user=factories.person())
    with pytest.raises(invitations.InvitationClosed):
        invitations.withdraw_invitation(invitation=invited.invitation, by=company.owner)


def test_a_link_does_not_outlive_the_right_of_its_giver(company: Company) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    invited = _invite(company, by=lead)
    Membership.objects.filter(user=lead).update(role=Role.VIEWER)
    with pytest.raises(invitations.InviterOutOfReach):
        invitations.accept_invitation(invitation=invited.invitation, user=factories.person())


def test_a_link_without_a_giver_lets_nobody_in(company: Company) -> None:
    invited = _invite(company)
    Invitation.objects.update(invited_by=None)
    with pytest.raises(invitations.InviterOutOfReach):
        invitations.accept_invitation(invitation=invited.invitation, user=factories.person())


def test_nobody_invites_above_their_rank(company: Company) -> None:
    manager = factories.member(company.launches, Role.WORKSPACE_MANAGER)
    given = RoleGiven(scope=company.brand, role=Role.VIEWER)
    with pytest.raises(memberships.RoleOutOfReach):
        invitations.invite(given=given, email="", by=manager)


def test_a_member_does_not_use_up_a_colleague_s_link(company: Company) -> None:
    invited = _invite(company)
    editor = factories.member(company.launches)
    with pytest.raises(memberships.AlreadyMember):
        invitations.accept_invitation(invitation=invited.invitation, user=editor)
    invited.invitation.refresh_from_db()
    assert invited.invitation.is_open


def test_the_page_says_who_invites_where_as_what(company: Company, client: Client) -> None:
    answer = client.get(_invite(company).url)
    assert answer.status_code == 200
    for words in (company.owner.name, "Alder", "Launches", "Editor", "Create an account"):
        assert words in answer.text


def test_the_page_of_a_closed_link_says_so(company: Company, client: Client) -> None:
    used, withdrawn, old = _invite(company), _invite(company), _invite(company)
    invitations.accept_invitation(invitation=used.invitation, user=factories.person())
    invitations.withdraw_invitation(invitation=withdrawn.invitation, by=company.owner)
    Invitation.objects.filter(pk=old.invitation.pk).update(expires_at=timezone.now())
    for invited, words in ((used, "has been used"), (withdrawn, "withdrawn"), (old, "are over")):
        answer = client.get(invited.url)
        assert answer.status_code == 410
        assert words in answer.text


def test_a_link_that_never_was_is_not_found(company: Company, client: Client) -> None:
    assert client.get("/invitations/never/").status_code == 404


def test_the_page_refuses_another_address_in_words(company: Company, signed_in: SignedIn) -> None:
    invited = _invite(company, email="nora@example.com")
    client = signed_in(factories.person())
    page = client.get(invited.url)
    assert "The invitation is for nora@example.com" in page.text
    answer = client.post(invited.url)
    assert answer.status_code == 409
    assert "This invitation is for nora@example.com" in answer.text


def test_signing_up_through_the_link_leads_back_to_it(company: Company, client: Client) -> None:
    invited = _invite(company, email="nora@example.com")
    path = invited.url.removeprefix("http://127.0.0.1:8000")
    assert f"/accounts/signup/?next={path}" in client.get(path).text
    client.post(
        "/accounts/signup/",
        {"name": "Nora", "email": "nora@example.com", "password1": "a-very-long-word-indeed"},
    )
    [link] = [line for line in mail.outbox[-1].body.split() if "/confirm-email/" in line]
    client.post(link)
    answer = client.post(
        "/accounts/login/",
        {"login": "nora@example.com", "password": "a-very-long-word-indeed"},
        follow=True,
    )
    assert answer.redirect_chain[-1][0] == path
    client.post(path)
    assert Membership.objects.get(user__email="nora@example.com").scope == company.launches
