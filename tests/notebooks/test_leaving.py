"""Leaving an organization, and being removed from it."""

import pytest
from django.test import Client

from apps.notebooks.models import Notebook, ShareGrant, Visit
from apps.notebooks.services import leaving
from apps.organizations.models import AuditEvent, Membership, Role
from apps.organizations.services import memberships
from tests import factories
from tests.factories import Company
from tests.organizations.conftest import told  # noqa: F401  (a fixture)
from tests.organizations.fixtures import SignedIn, Told


def _leave(company: Company, person: object, *, by: object, heir: object = None) -> int:
    departure = leaving.Departure(organization=company.organization, person=person, heir=heir)
    return leaving.leave(departure=departure, by=by)


def test_what_one_owned_goes_to_the_heir_and_every_right_ends(company: Company, told: Told) -> None:  # noqa: F811
    editor, heir = factories.member(company.launches), factories.member(company.launches)
    book = factories.notebook(company.launches, by=editor)
    private = factories.notebook(
        company.launches, by=editor, audience=Notebook.Audience.PRIVATE, title="Mine"
    )
    shared = factories.notebook(company.shops)
    ShareGrant.objects.create(notebook=shared, user=editor, level=10)
    Visit.objects.create(notebook=shared, user=editor)

    assert _leave(company, editor, by=company.owner, heir=heir) == 2

    assert {book.owner for book in Notebook.objects.filter(pk__in=[book.pk, private.pk])} == {heir}
    assert not Membership.objects.filter(user=editor).exists()
    assert not ShareGrant.objects.filter(user=editor).exists()
    assert not Visit.objects.filter(user=editor).exists()
    assert {f"user.{editor.pk}", f"user.{heir.pk}"} <= set(told)
    assert AuditEvent.objects.filter(verb="notebook.handed_over").count() == 2
    assert AuditEvent.objects.get(verb="person.removed").target_id == str(editor.pk)


def test_an_heir_holds_no_grant_on_what_is_now_their_own(company: Company) -> None:
    editor, heir, reader = (factories.member(company.launches) for _ in range(3))
    book = factories.notebook(company.launches, by=editor)
    for user in (heir, reader):
        ShareGrant.objects.create(notebook=book, user=user, level=10)
    _leave(company, editor, by=company.owner, heir=heir)
    assert [grant.user for grant in book.grants.all()] == [reader]


def test_another_organization_is_not_touched(company: Company) -> None:
    elsewhere = factories.company("Elsewhere")
    editor = factories.member(company.launches)
    factories.member(elsewhere.launches, user=editor)
    kept = factories.notebook(elsewhere.launches, by=editor)
    _leave(company, editor, by=company.owner)
    kept.refresh_from_db()
    assert kept.owner == editor
    assert Membership.objects.get(user=editor).organization == elsewhere.organization


def test_whoever_owns_something_needs_an_heir(company: Company) -> None:
    editor = factories.member(company.launches)
    factories.notebook(company.launches, by=editor)
    with pytest.raises(leaving.HeirMissing):
        _leave(company, editor, by=company.owner)
    assert Membership.objects.filter(user=editor).exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER, Role.APPROVER])
def test_who_cannot_own_notebooks_is_no_heir(company: Company, role: Role) -> None:
    editor, reader = factories.member(company.launches), factories.member(company.launches, role)
    factories.notebook(company.launches, by=editor)
    with pytest.raises(leaving.NotAnHeir):
        _leave(company, editor, by=company.owner, heir=reader)


def test_neither_the_leaver_nor_a_stranger_is_an_heir(company: Company) -> None:
    editor = factories.member(company.launches)
    factories.notebook(company.launches, by=editor)
    stranger = factories.company("Elsewhere").owner
    for heir in (editor, stranger):
        with pytest.raises(leaving.NotAnHeir):
            _leave(company, editor, by=company.owner, heir=heir)


def test_a_person_leaves_by_themselves(company: Company) -> None:
    viewer = factories.member(company.launches, Role.VIEWER)
    assert _leave(company, viewer, by=viewer) == 0
    assert AuditEvent.objects.get(verb="person.left").actor == viewer


def test_the_last_owner_cannot_leave(company: Company) -> None:
    with pytest.raises(memberships.OwnerMissing):
        _leave(company, company.owner, by=company.owner)
    assert Membership.objects.filter(user=company.owner).exists()


def test_a_lead_removes_only_whoever_works_in_their_division_alone(company: Company) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    inside, both = factories.member(company.launches), factories.member(company.launches)
    factories.member(company.shops, user=both)
    _leave(company, inside, by=lead)
    with pytest.raises(memberships.RoleOutOfReach):
        _leave(company, both, by=lead)


def test_the_page_asks_for_an_heir_and_removes(company: Company, signed_in: SignedIn) -> None:
    editor, heir = factories.member(company.launches), factories.member(company.launches)
    factories.notebook(company.launches, by=editor)
    client = signed_in(company.owner)
    url = f"/o/alder/people/{editor.pk}/remove/"
    page = client.get(url)
    assert "One notebook is owned" in page.text
    assert heir.name in page.text
    assert client.post(url, {"sure": "yes"}).status_code == 422
    answer = client.post(url, {"sure": "yes", "heir": str(heir.pk)}, follow=True)
    assert answer.redirect_chain == [("/o/alder/people/", 302)]
    assert "one notebook has been handed over" in answer.text
    assert not Membership.objects.filter(user=editor).exists()


def test_the_page_takes_nobody_of_another_company_as_heir(
    company: Company, signed_in: SignedIn
) -> None:
    editor, stranger = factories.member(company.launches), factories.company("Else").owner
    factories.notebook(company.launches, by=editor)
    answer = signed_in(company.owner).post(
        f"/o/alder/people/{editor.pk}/remove/", {"sure": "yes", "heir": str(stranger.pk)}
    )
    assert answer.status_code == 422
    assert Membership.objects.filter(user=editor).exists()


def test_one_leaves_on_a_page_of_one_s_own(company: Company, signed_in: SignedIn) -> None:
    viewer = factories.member(company.launches, Role.VIEWER)
    client = signed_in(viewer)
    assert "No notebook is owned" in client.get("/o/alder/leave/").text
    answer = client.post("/o/alder/leave/", {"sure": "yes"}, follow=True)
    assert answer.status_code == 200
    assert "does not belong to an organization yet" in answer.text
    assert client.get("/o/alder/leave/").status_code == 404


def test_a_removed_person_sees_nothing_any_more(company: Company, signed_in: SignedIn) -> None:
    editor = factories.member(company.launches)
    book = factories.notebook(company.launches)
    client: Client = signed_in(editor)
    assert client.get(f"/n/{book.pk}/").status_code == 200
    _leave(company, editor, by=company.owner)
    assert client.get(f"/n/{book.pk}/").status_code == 404
    assert client.get("/o/alder/notebooks/").status_code == 404
