"""What signing in, passwords, second steps and sessions leave behind."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client

from apps.organizations.models import AuditEvent, Organization
from apps.organizations.services import sign_in
from tests import factories
from tests.factories import PASSWORD, Company
from tests.organizations.fixtures import Told


def _sign_in(email: str) -> Client:
    client = Client()
    answer = client.post("/accounts/login/", {"login": email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def _is_in(client: Client) -> bool:
    return client.get("/settings/").status_code == 200


def _verbs(organization: Organization | None) -> list[str]:
    events = AuditEvent.objects.filter(organization=organization, verb__startswith="account.")
    return list(events.order_by("at", "id").values_list("verb", flat=True))


def test_signing_in_and_out_is_recorded_in_each_organization(company: Company, told: Told) -> None:
    birch = factories.company("Birch")
    factories.member(birch.launches, user=company.owner)
    client = _sign_in(company.owner.email)
    client.post("/accounts/logout/")
    for organization in (company.organization, birch.organization):
        assert _verbs(organization) == ["account.signed_in", "account.signed_out"]
    assert told == [f"user.{company.owner.pk}"]  # sockets of this browser end


def test_somebody_who_belongs_nowhere_is_the_operator_s_to_see(db: None) -> None:
    _sign_in(factories.person().email)
    assert _verbs(None) == ["account.signed_in"]


def test_a_new_password_ends_every_session_and_its_sockets(company: Company, told: Told) -> None:
    here, elsewhere = _sign_in(company.owner.email), _sign_in(company.owner.email)
    elsewhere.get("/settings/")
    new = "another-long-enough-password"
    answer = here.post(
        "/accounts/password/change/",
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )
    assert answer.status_code == 302
    assert not _is_in(here)
    assert not _is_in(elsewhere)
    assert UserSession.objects.purge_and_list(company.owner) == []
    assert f"user.{company.owner.pk}" in told
    assert "account.password_changed" in _verbs(company.organization)
    assert "password" in mail.outbox[-1].subject.lower()


def test_other_sessions_are_ended_from_one_s_own_list(company: Company, told: Told) -> None:
    here, elsewhere = _sign_in(company.owner.email), _sign_in(company.owner.email)
    here.get("/settings/")
    elsewhere.get("/settings/")
    here.post("/accounts/sessions/")
    assert _is_in(here)
    assert not _is_in(elsewhere)
    assert told == [f"user.{company.owner.pk}"]
    event = AuditEvent.objects.get(verb="account.sessions_ended")
    assert event.data == {"count": 1}


def test_second_steps_and_addresses_are_recorded_without_their_secrets(company: Company) -> None:
    step = Authenticator.objects.create(
        user=company.owner, type=Authenticator.Type.TOTP, data={"secret": "geheim"}
    )
    sign_in.second_step_added(user=company.owner, authenticator=step, sender=None)
    sign_in.second_step_removed(user=company.owner, authenticator=step, sender=None)
    assert _verbs(company.organization) == [
        "account.second_step_added",
        "account.second_step_removed",
    ]
    assert not AuditEvent.objects.filter(data__icontains="geheim").exists()


@pytest.mark.parametrize("action", ["action_add", "action_primary", "action_remove"])
def test_a_change_of_addresses_is_recorded(company: Company, action: str) -> None:
    client = _sign_in(company.owner.email)
    address = company.owner.emailaddress_set.create(email="second@example.com", verified=True)
    email = "third@example.com" if action == "action_add" else address.email
    client.post("/accounts/email/", {action: "", "email": email})
    verb = {"add": "added", "primary": "changed", "remove": "removed"}[action.split("_")[1]]
    event = AuditEvent.objects.get(verb=f"account.address_{verb}")
    assert event.data == {"email": email}
    assert event.actor == company.owner
