"""The page "Divisions"."""

import pytest

from apps.organizations.models import Division, Role, Workspace
from tests import factories
from tests.factories import Company
from tests.organizations.fixtures import SignedIn

URL = "/o/alder/structure/"


def test_an_owner_sees_the_tree_and_a_manager_the_own_workspace(
    company: Company, signed_in: SignedIn
) -> None:
    page = signed_in(company.owner).get(URL).text
    for name in ("Brand", "Retail", "Launches", "Newsroom", "Shops"):
        assert name in page
    manager = factories.member(company.launches, Role.WORKSPACE_MANAGER)
    page = signed_in(manager).get(URL).text
    assert "Launches" in page
    assert "Newsroom" not in page
    assert "Retail" not in page


def test_an_owner_builds_the_tree(company: Company, signed_in: SignedIn) -> None:
    client = signed_in(company.owner)
    client.post(f"{URL}divisions/", {"name": "Events", "parent": str(company.brand.pk)})
    events = Division.objects.get(name="Events")
    assert events.parent == company.brand
    client.post(f"{URL}workspaces/", {"name": "Fairs", "division": str(events.pk)})
    assert Workspace.objects.get(name="Fairs").division == events
    form = {"name": "Live events", "parent": str(company.retail.pk)}
    answer = client.post(f"{URL}divisions/{events.pk}/", form, follow=True)
    assert "“Live events” is changed." in answer.text
    events.refresh_from_db()
    assert (events.name, events.parent) == ("Live events", company.retail)


def test_a_workspace_is_renamed_moved_archived_and_opened(
    company: Company, signed_in: SignedIn
) -> None:
    client, pk = signed_in(company.owner), company.launches.pk
    form = {"name": "Starts", "division": str(company.retail.pk)}
    client.post(f"{URL}workspaces/{pk}/", form)
    company.launches.refresh_from_db()
    assert (company.launches.name, company.launches.division) == ("Starts", company.retail)
    assert "is archived" in client.post(f"{URL}workspaces/{pk}/archive/", follow=True).text
    assert "is open again" in client.post(f"{URL}workspaces/{pk}/archive/", follow=True).text


def test_an_empty_division_is_deleted_and_a_full_one_says_why_not(
    company: Company, signed_in: SignedIn
) -> None:
    client = signed_in(company.owner)
    empty = Division.objects.create(organization=company.organization, name="Empty", slug="empty")
    assert "is deleted" in client.post(f"{URL}divisions/{empty.pk}/delete/", follow=True).text
    answer = client.post(f"{URL}divisions/{company.brand.pk}/delete/")
    assert answer.status_code == 409
    assert "still holds divisions or workspaces" in answer.text


@pytest.mark.parametrize("path", ["divisions/", "workspaces/"])
def test_a_form_without_a_name_says_so(company: Company, signed_in: SignedIn, path: str) -> None:
    answer = signed_in(company.owner).post(f"{URL}{path}", {"name": ""}, follow=True)
    assert "This field is required" in answer.text


def test_a_lead_works_below_the_own_division_only(company: Company, signed_in: SignedIn) -> None:
    client = signed_in(factories.member(company.brand, Role.DIVISION_LEAD))
    brand, retail = str(company.brand.pk), str(company.retail.pk)
    assert client.post(f"{URL}divisions/", {"name": "In", "parent": brand}).status_code == 302
    assert client.post(f"{URL}divisions/", {"name": "Top", "parent": ""}).status_code == 404
    assert client.post(f"{URL}divisions/", {"name": "Out", "parent": retail}).status_code == 404
    form = {"name": "Brand", "parent": retail}
    assert client.post(f"{URL}divisions/{brand}/", form).status_code == 404
    form = {"name": "House", "parent": ""}
    assert client.post(f"{URL}divisions/{brand}/", form).status_code == 302
    form = {"name": "Launches", "division": retail}
    assert client.post(f"{URL}workspaces/{company.launches.pk}/", form).status_code == 404
    assert client.post(f"{URL}divisions/{retail}/delete/").status_code == 404
    assert set(Division.objects.values_list("name", flat=True)) == {"House", "Retail", "In"}


def test_a_manager_of_one_workspace_renames_it_and_moves_nothing(
    company: Company, signed_in: SignedIn
) -> None:
    client = signed_in(factories.member(company.launches, Role.WORKSPACE_MANAGER))
    url = f"{URL}workspaces/{company.launches.pk}/"
    brand, retail = str(company.brand.pk), str(company.retail.pk)
    assert client.post(url, {"name": "Starts", "division": brand}).status_code == 302
    assert client.post(url, {"name": "Starts", "division": retail}).status_code == 404
    assert client.post(f"{URL}workspaces/", {"name": "X", "division": brand}).status_code == 404
    assert client.post(f"{URL}divisions/{brand}/", {"name": "X"}).status_code == 404


def test_the_division_of_another_company_is_no_choice(
    company: Company, signed_in: SignedIn
) -> None:
    elsewhere = factories.company("Elsewhere")
    client = signed_in(company.owner)
    form = {"name": "X", "parent": str(elsewhere.brand.pk)}
    assert "Select a valid choice" in client.post(f"{URL}divisions/", form, follow=True).text
    url = f"{URL}divisions/{elsewhere.brand.pk}/"
    assert client.post(url, {"name": "X", "parent": ""}).status_code == 404


def test_the_first_division_is_asked_for(company: Company, signed_in: SignedIn) -> None:
    Workspace.objects.all().delete()
    Division.objects.all().delete()
    assert "No divisions yet" in signed_in(company.owner).get(URL).text


def test_the_organization_is_renamed_by_its_administrators(
    company: Company, signed_in: SignedIn
) -> None:
    client = signed_in(company.owner)
    answer = client.post("/o/alder/settings/", {"name": "Finch"}, follow=True)
    assert "The new name is kept." in answer.text
    assert "Finch" in client.get("/o/alder/settings/").text
    assert client.post("/o/alder/settings/", {"name": ""}).status_code == 422
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    assert signed_in(lead).get("/o/alder/settings/").status_code == 404


def test_rights_in_one_organization_move_nothing_in_another(
    company: Company, signed_in: SignedIn
) -> None:
    """Whoever owns one and leads a part of another must not lift that part to the top."""
    elsewhere = factories.company("Elsewhere")
    lead = factories.member(elsewhere.brand, Role.DIVISION_LEAD)
    factories.member(company.organization, Role.OWNER, user=lead)
    part = Division.objects.create(
        organization=elsewhere.organization, parent=elsewhere.brand, name="Part", slug="part"
    )
    client = signed_in(lead)
    form = {"name": "Part", "parent": ""}
    assert client.post(f"{URL}divisions/{part.pk}/", form).status_code == 404
    workspace = f"{URL}workspaces/{elsewhere.launches.pk}/"
    form = {"name": "X", "division": str(elsewhere.brand.pk)}
    for url in (f"{URL}divisions/{part.pk}/delete/", workspace, f"{workspace}archive/"):
        assert client.post(url, form).status_code == 404
    part.refresh_from_db()
    assert part.parent == elsewhere.brand
