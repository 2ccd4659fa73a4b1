"""The tree of divisions and workspaces."""

import pytest

from apps.organizations.models import AuditEvent, Division, Organization, Role
from apps.organizations.services import founding, structure
from tests import factories
from tests.factories import Company
from tests.organizations.fixtures import Told


def _verbs() -> list[str]:
    return list(AuditEvent.objects.order_by("-at", "-id").values_list("verb", flat=True))


def test_a_second_division_of_the_same_name_gets_an_address_of_its_own(company: Company) -> None:
    again = structure.add_division(
        organization=company.organization, parent=None, name="Brand", by=company.owner
    )
    assert (company.brand.slug, again.slug) == ("brand", "brand-2")


def test_a_name_in_another_script_gets_an_address_too(company: Company) -> None:
    division = structure.add_division(
        organization=company.organization, parent=company.brand, name="東京", by=company.owner
    )
    assert division.slug == "team"
    assert division.parent == company.brand


def test_a_division_cannot_be_added_to_another_organization(company: Company) -> None:
    elsewhere = factories.company("Elsewhere")
    with pytest.raises(structure.OtherOrganization):
        structure.add_division(
            organization=company.organization, parent=elsewhere.brand, name="X", by=company.owner
        )


def test_a_division_moves_with_all_it_holds_and_tells_open_sockets(
    company: Company, told: Told
) -> None:
    editor = factories.member(company.launches)
    structure.move_division(division=company.brand, parent=company.retail, by=company.owner)
    assert Division.objects.get(pk=company.brand.pk).parent == company.retail
    assert f"user.{editor.pk}" in told
    assert _verbs()[0] == "division.moved"


def test_a_division_cannot_move_into_what_lies_below_it(company: Company) -> None:
    below = structure.add_division(
        organization=company.organization, parent=company.brand, name="Events", by=company.owner
    )
    for parent in (below, company.brand):
        with pytest.raises(structure.DivisionInItself, match="lies within it"):
            structure.move_division(division=company.brand, parent=parent, by=company.owner)


def test_a_division_that_holds_something_cannot_be_deleted(company: Company) -> None:
    with pytest.raises(structure.DivisionNotEmpty, match="Brand"):
        structure.delete_division(division=company.brand, by=company.owner)
    assert Division.objects.filter(pk=company.brand.pk).exists()


def test_an_empty_division_is_deleted_and_its_roles_end(company: Company, told: Told) -> None:
    empty = structure.add_division(
        organization=company.organization, parent=None, name="Empty", by=company.owner
    )
    lead = factories.member(empty, Role.DIVISION_LEAD)
    factories.member(company.launches, user=lead)
    structure.delete_division(division=empty, by=company.owner)
    assert not Division.objects.filter(pk=empty.pk).exists()
    assert f"user.{lead.pk}" in told
    assert AuditEvent.objects.get(verb="division.deleted").target_label == "Empty"


def test_nobody_leaves_the_organization_with_a_division(company: Company) -> None:
    empty = structure.add_division(
        organization=company.organization, parent=None, name="Empty", by=company.owner
    )
    lead = factories.member(empty, Role.DIVISION_LEAD)
    with pytest.raises(structure.DivisionHoldsLastRoles, match=lead.name):
        structure.delete_division(division=empty, by=company.owner)
    assert empty.memberships.filter(user=lead).exists()


def test_names_change_and_addresses_stay(company: Company) -> None:
    structure.rename_division(division=company.brand, name="House", by=company.owner)
    structure.rename_workspace(workspace=company.launches, name="Starts", by=company.owner)
    founding.rename_organization(organization=company.organization, name="Finch", by=company.owner)
    company.organization.refresh_from_db()
    assert (company.brand.slug, company.launches.slug) == ("brand", "launches")
    assert (company.organization.name, company.organization.slug) == ("Finch", "alder")
    assert AuditEvent.objects.get(verb="division.renamed").data == {
        "before": "Brand",
        "after": "House",
    }


def test_a_workspace_moves_to_another_division_and_tells_open_sockets(
    company: Company, told: Told
) -> None:
    lead = factories.member(company.retail, Role.DIVISION_LEAD)
    structure.move_workspace(workspace=company.launches, division=company.retail, by=company.owner)
    assert lead.has_perm("organizations.manage_workspaces", company.launches)
    assert f"user.{lead.pk}" in told


def test_a_workspace_cannot_move_to_another_organization(company: Company) -> None:
    elsewhere = factories.company("Elsewhere")
    with pytest.raises(structure.OtherOrganization):
        structure.move_workspace(
            workspace=company.launches, division=elsewhere.brand, by=company.owner
        )


def test_a_workspace_is_archived_and_opened_again(company: Company) -> None:
    structure.archive_workspace(workspace=company.launches, by=company.owner)
    assert company.launches.archived_at is not None
    structure.reopen_workspace(workspace=company.launches, by=company.owner)
    assert company.launches.archived_at is None
    assert _verbs()[:2] == ["workspace.reopened", "workspace.archived"]


def test_two_organizations_of_one_name_get_two_addresses(company: Company) -> None:
    again = founding.create_organization(name="Alder", owner=company.owner)
    assert again.slug == "alder-2"
    assert Organization.objects.of(company.owner).count() == 2
