"""The page "People"."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.organizations.models import Invitation, Membership, Role
from apps.organizations.people import PeopleFilter, people_page
from apps.organizations.reach import place_value, reach_of
from tests import factories
from tests.factories import Company
from tests.organizations.fixtures import SignedIn

URL = "/o/alder/people/"


def _names(company: Company, viewer: object, **wanted: str) -> set[str]:
    reach = reach_of(viewer, company.organization)
    page = people_page(reach=reach, wanted=PeopleFilter(**wanted))
    return {row.user.name for row in page.rows}


def test_an_owner_sees_everybody_and_a_lead_their_own_division(company: Company) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    inside, outside = factories.member(company.launches), factories.member(company.shops)
    everybody = {company.owner.name, lead.name, inside.name, outside.name}
    assert _names(company, company.owner) == everybody
    assert _names(company, lead) == {lead.name, inside.name}


def test_the_list_is_searched_and_filtered(company: Company) -> None:
    nora = factories.member(company.launches, user=factories.person("Nora Quist"))
    factories.member(company.shops, Role.VIEWER)
    at = place_value(company.launches)
    assert _names(company, company.owner, words="quis") == {nora.name}
    assert _names(company, company.owner, role=Role.EDITOR, place=at) == {nora.name}
    assert _names(company, company.owner, place="organization") == {company.owner.name}
    assert _names(company, company.owner, place="moon:1") == set()


def test_a_lead_sees_of_a_colleague_only_the_roles_within_reach(company: Company) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    both = factories.member(company.launches)
    factories.member(company.shops, Role.VIEWER, user=both)
    page = people_page(reach=reach_of(lead, company.organization), wanted=PeopleFilter())
    [row] = [row for row in page.rows if row.user == both]
    assert [held.membership.scope for held in row.roles] == [company.launches]
    assert row.roles[0].may_end
    assert not row.may_remove


def test_nobody_is_offered_what_the_services_refuse(company: Company) -> None:
    manager = factories.member(company.brand, Role.WORKSPACE_MANAGER)
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    page = people_page(reach=reach_of(manager, company.organization), wanted=PeopleFilter())
    rows = {row.user: row for row in page.rows}
    assert rows[lead].roles[0].choices == []
    assert not rows[lead].may_remove
    assert rows[manager].roles[0].choices == []  # one's own role


def test_the_list_costs_the_same_for_one_and_for_many(
    company: Company, signed_in: SignedIn
) -> None:
    client = signed_in(company.owner)
    client.get(URL)
    with CaptureQueriesContext(connection) as few:
        client.get(URL)
    for _ in range(12):
        factories.member(company.launches)
    with CaptureQueriesContext(connection) as many:
        client.get(URL)
    assert len(many) == len(few) <= 18


def test_fifty_stand_on_a_page(company: Company, signed_in: SignedIn) -> None:
    for _ in range(51):
        factories.member(company.launches)
    client = signed_in(company.owner)
    assert "Page 1 of 2" in client.get(URL).text
    assert "Page 2 of 2" in client.get(URL, {"page": "2"}).text


def test_htmx_gets_the_list_alone(company: Company, signed_in: SignedIn) -> None:
    answer = signed_in(company.owner).get(URL, headers={"HX-Request": "true"})
    assert answer.text.strip().startswith('<div id="people-list">')
    assert "<html" not in answer.text


def test_an_invitation_shows_its_link_once(company: Company, signed_in: SignedIn) -> None:
    client = signed_in(company.owner)
    form = {"place": place_value(company.launches), "role": "editor", "email": "", "days": "7"}
    answer = client.post(f"{URL}invitations/", form)
    assert answer.status_code == 201
    assert "http://127.0.0.1:8000/invitations/" in answer.text
    assert "/invitations/http" not in client.get(URL).text
    assert 'value="http://127.0.0.1:8000/invitations/' not in client.get(URL).text


@pytest.mark.parametrize(
    ("place", "role", "words"),
    [("launches", "division_lead", "or it is not yours to give"), ("shops", "editor", "Select a")],
)
def test_a_form_out_of_reach_is_refused_beside_its_field(
    company: Company, signed_in: SignedIn, place: str, role: str, words: str
) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    form = {"place": place_value(getattr(company, place)), "role": role, "email": "", "days": "7"}
    answer = signed_in(lead).post(f"{URL}invitations/", form)
    assert answer.status_code == 422
    assert words in answer.text
    assert not Invitation.objects.exists()


def test_an_open_invitation_is_withdrawn(company: Company, signed_in: SignedIn) -> None:
    client = signed_in(company.owner)
    form = {"place": "organization", "role": "viewer", "email": "a@example.com", "days": "1"}
    client.post(f"{URL}invitations/", form)
    invitation = Invitation.objects.get()
    assert "a@example.com" in client.get(URL).text
    client.post(f"{URL}invitations/{invitation.pk}/withdraw/")
    invitation.refresh_from_db()
    assert invitation.withdrawn_at
    assert "a@example.com" not in client.get(URL).text


def test_roles_are_added_changed_and_ended_on_the_page(
    company: Company, signed_in: SignedIn
) -> None:
    editor = factories.member(company.launches)
    client = signed_in(company.owner)
    form = {"place": place_value(company.shops), "role": "viewer"}
    assert "has one more role" in client.post(f"{URL}{editor.pk}/roles/", form, follow=True).text
    held = Membership.objects.get(user=editor, workspace=company.shops)
    answer = client.post(f"{URL}roles/{held.pk}/", {"role": "editor"}, follow=True)
    assert "is now Editor" in answer.text
    answer = client.post(f"{URL}roles/{held.pk}/end/", follow=True)
    assert "has no role in “Shops” any more" in answer.text
    assert Membership.objects.get(user=editor).scope == company.launches


def test_a_role_that_is_no_role_changes_nothing(company: Company, signed_in: SignedIn) -> None:
    editor = factories.member(company.launches)
    held = Membership.objects.get(user=editor)
    client = signed_in(company.owner)
    client.post(f"{URL}roles/{held.pk}/", {"role": "emperor"})
    form = {"place": "moon", "role": "editor"}
    assert (
        "Select a valid choice" in client.post(f"{URL}{editor.pk}/roles/", form, follow=True).text
    )
    held.refresh_from_db()
    assert held.role == Role.EDITOR


def test_what_lies_out_of_reach_is_not_found(company: Company, signed_in: SignedIn) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    outside = factories.member(company.shops)
    held = Membership.objects.get(user=outside)
    client = signed_in(lead)
    assert client.post(f"{URL}roles/{held.pk}/", {"role": "viewer"}).status_code == 404
    assert client.post(f"{URL}roles/{held.pk}/end/").status_code == 404
    assert client.post(f"{URL}{outside.pk}/roles/", {}).status_code == 404
    assert client.get(f"{URL}{outside.pk}/remove/").status_code == 404


def test_a_refusal_of_a_service_is_said_in_words(company: Company, signed_in: SignedIn) -> None:
    held = Membership.objects.get(user=company.owner)
    answer = signed_in(company.owner).post(f"{URL}roles/{held.pk}/", {"role": "admin"})
    assert answer.status_code == 409
    assert "needs an owner" in answer.text
