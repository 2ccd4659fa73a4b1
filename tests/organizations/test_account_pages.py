"""The first run, the way home, the profile."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from apps.accounts.models import User
from apps.organizations.models import AuditEvent, Membership, Organization, Role
from apps.organizations.services import founding
from tests import factories
from tests.factories import Company
from tests.organizations.fixtures import SignedIn

FOUNDING = {
    "name": "Ada Owner",
    "email": "Ada@Example.com",
    "password": "a-very-long-word-indeed",
    "organization": "Finch & Co",
    "division": "Marketing",
    "workspace": "Campaigns",
}


@pytest.mark.django_db
def test_an_empty_instance_leads_to_the_first_run(client: Client) -> None:
    answer = client.get("/", follow=True)
    assert answer.redirect_chain == [("/welcome/", 302)]
    assert answer.status_code == 200


@pytest.mark.django_db
def test_the_first_run_creates_the_owner_and_a_place_to_write_in(client: Client) -> None:
    answer = client.post("/welcome/", FOUNDING, follow=True)
    assert answer.redirect_chain[-1][0] == "/o/finch-co/notebooks/"
    owner = User.objects.get()
    assert owner.email == "ada@example.com"
    assert owner.emailaddress_set.get().verified
    roles = set(Membership.objects.values_list("role", flat=True))
    assert roles == {Role.OWNER, Role.WORKSPACE_MANAGER}
    assert answer.context["user"] == owner
    assert AuditEvent.objects.filter(verb="organization.created", actor=owner).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("password", ["short", "1234567890", "ada@example.com"])
def test_the_first_run_wants_a_good_password(client: Client, password: str) -> None:
    answer = client.post("/welcome/", {**FOUNDING, "password": password})
    assert answer.status_code == 422
    assert not User.objects.exists()


def test_the_first_run_is_closed_once_there_is_somebody(company: Company, client: Client) -> None:
    assert client.get("/welcome/").status_code == 404
    assert client.post("/welcome/", FOUNDING).status_code == 404
    with pytest.raises(founding.AlreadyFounded):
        founding.found_instance(founding=founding.Founding(**FOUNDING))


def test_home_leads_a_visitor_to_sign_in(company: Company, client: Client) -> None:
    assert client.get("/").url == "/accounts/login/"


def test_home_leads_to_the_organization_used_last(company: Company, signed_in: SignedIn) -> None:
    elsewhere = factories.company("Birch")
    factories.member(elsewhere.launches, user=company.owner)
    client = signed_in(company.owner)
    assert client.get("/").url == "/o/alder/notebooks/"
    client.get("/o/birch/notebooks/")
    assert client.get("/").url == "/o/birch/notebooks/"


def test_home_says_how_one_gets_in(client: Client, db: None, signed_in: SignedIn) -> None:
    answer = signed_in(factories.person("Nora")).get("/")
    assert "does not belong to an organization yet" in answer.text


PROFILE = {"name": "Nora Quist", "caret_color": "3", "theme": "dark"}


@pytest.fixture
def two_languages(settings: Any) -> None:
    settings.LANGUAGES = [("en", "English"), ("fr", "French")]


def test_a_profile_is_changed_and_the_log_says_which_fields(
    company: Company, signed_in: SignedIn
) -> None:
    client = signed_in(company.owner)
    answer = client.post("/settings/", PROFILE, follow=True)
    assert answer.redirect_chain == [("/settings/", 302)]
    company.owner.refresh_from_db()
    assert (company.owner.name, company.owner.caret_color) == ("Nora Quist", 3)
    assert client.cookies["theme"].value == "dark"
    event = AuditEvent.objects.get(verb="profile.changed")
    assert set(event.data["fields"]) <= {"name", "caret_color", "theme"}
    assert {"name", "theme"} <= set(event.data["fields"])


def test_one_language_is_no_choice(company: Company, signed_in: SignedIn) -> None:
    assert 'name="language"' not in signed_in(company.owner).get("/settings/").text


@pytest.mark.usefixtures("two_languages")
def test_where_there_is_a_choice_pages_speak_the_person_s_language(
    company: Company, signed_in: SignedIn
) -> None:
    client = signed_in(company.owner)
    assert 'name="language"' in client.get("/settings/").text
    assert client.post("/settings/", {**PROFILE, "language": "fr"}).status_code == 302
    event = AuditEvent.objects.get(verb="profile.changed")
    assert "language" in event.data["fields"]
    assert client.get("/settings/")["Content-Language"] == "fr"


@pytest.mark.usefixtures("two_languages")
def test_a_language_that_is_not_offered_is_refused(company: Company, signed_in: SignedIn) -> None:
    answer = signed_in(company.owner).post("/settings/", {**PROFILE, "language": "tlh"})
    assert answer.status_code == 422


def test_a_language_that_is_offered_no_more_gives_way(
    company: Company, signed_in: SignedIn
) -> None:
    User.objects.filter(pk=company.owner.pk).update(language="fr")
    assert signed_in(company.owner).get("/settings/")["Content-Language"] == "en"


def test_a_profile_that_says_nothing_new_leaves_no_event(
    company: Company, signed_in: SignedIn
) -> None:
    client = signed_in(company.owner)
    client.post("/settings/", PROFILE)
    client.post("/settings/", PROFILE)
    assert AuditEvent.objects.filter(verb="profile.changed").count() == 1


@pytest.mark.parametrize("wrong", [{"name": ""}, {"caret_color": "8"}, {"theme": "pink"}])
def test_a_profile_out_of_range_is_refused(
    company: Company, signed_in: SignedIn, wrong: dict[str, str]
) -> None:
    answer = signed_in(company.owner).post("/settings/", {**PROFILE, **wrong})
    assert answer.status_code == 422


def test_the_theme_has_a_switch_of_its_own(company: Company, signed_in: SignedIn) -> None:
    client = signed_in(company.owner)
    assert client.post("/settings/theme/", {"theme": "light"}).status_code == 204
    company.owner.refresh_from_db()
    assert company.owner.theme == "light"
    assert client.cookies["theme"].value == "light"
    assert client.post("/settings/theme/", {"theme": "pink"}).status_code == 422


def test_the_same_name_for_two_organizations_makes_two(company: Company) -> None:
    founding.create_organization(name="Alder", owner=company.owner)
    assert set(Organization.objects.values_list("slug", flat=True)) == {"alder", "alder-2"}
    with pytest.raises(ValidationError):
        Organization(name="x" * 81, slug="x").full_clean()
