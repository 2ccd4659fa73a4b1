"""Product.md's matrix, row by row, and that ranks hold in every place."""

import pytest
from django.db import IntegrityError, transaction

from apps.organizations.models import Division, Membership, Role
from apps.organizations.policy import (
    RANK,
    Level,
    rank_in,
    roles_givable,
    roles_in,
    roles_possible_in,
    workspace_level,
)
from apps.organizations.reach import place_value, reach_of
from tests import factories
from tests.factories import Company

ADMINISTRATORS = {Role.OWNER, Role.ADMIN}
MANAGERS = {Role.DIVISION_LEAD, Role.WORKSPACE_MANAGER}

# permission -> the roles that have it in the organization / in their division / in their workspace
MATRIX = {
    "delete_organization": ({Role.OWNER}, set(), set()),
    "change_organization": (ADMINISTRATORS, set(), set()),
    "manage_people": (ADMINISTRATORS, MANAGERS, {Role.WORKSPACE_MANAGER}),
    "manage_divisions": (ADMINISTRATORS, {Role.DIVISION_LEAD}, set()),
    "manage_workspaces": (ADMINISTRATORS, MANAGERS, {Role.WORKSPACE_MANAGER}),
    "read_audit": (ADMINISTRATORS | {Role.AUDITOR}, {Role.DIVISION_LEAD}, set()),
    "create_notebook": (
        {Role.OWNER, Role.EDITOR},
        MANAGERS | {Role.EDITOR},
        {Role.WORKSPACE_MANAGER, Role.EDITOR},
    ),
}


def _scope(company: Company, kind: int) -> object:
    return [company.organization, company.brand, company.launches][kind]


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["organization", "division", "workspace"])
@pytest.mark.parametrize("permission", MATRIX)
def test_each_permission_belongs_to_the_roles_of_the_matrix(
    company: Company, permission: str, kind: int
) -> None:
    scope = _scope(company, kind)
    people = factories.one_of_each_role(scope)
    have = {r for r, user in people.items() if user.has_perm(f"organizations.{permission}", scope)}
    assert have == MATRIX[permission][kind]


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        ("open_people", ADMINISTRATORS | MANAGERS),
        ("open_structure", ADMINISTRATORS | MANAGERS),
        ("open_audit", ADMINISTRATORS | {Role.AUDITOR, Role.DIVISION_LEAD}),
    ],
)
def test_a_page_of_administration_opens_for_whoever_has_something_there(
    company: Company, permission: str, roles: set[Role]
) -> None:
    for scope in (company.organization, company.brand, company.launches):
        for role, user in factories.one_of_each_role(scope).items():
            may = user.has_perm(f"organizations.{permission}", company.organization)
            assert may == (role in roles), (role, scope)


@pytest.mark.parametrize(
    ("role", "level"),
    [
        (Role.DIVISION_LEAD, Level.MANAGE),
        (Role.WORKSPACE_MANAGER, Level.MANAGE),
        (Role.EDITOR, Level.RUN),
        (Role.APPROVER, Level.SUGGEST),
        (Role.COMMENTER, Level.COMMENT),
        (Role.VIEWER, Level.VIEW),
        (Role.GUEST, Level.NONE),
    ],
)
def test_a_role_of_the_division_reaches_its_workspaces_and_no_other(
    company: Company, role: Role, level: Level
) -> None:
    user = factories.member(company.brand, role)
    assert workspace_level(user, company.launches) == level
    assert workspace_level(user, company.shops) == Level.NONE


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.AUDITOR, Role.STEWARD])
def test_administration_reads_no_content(company: Company, role: Role) -> None:
    user = factories.member(company.organization, role)
    assert workspace_level(user, company.launches) == Level.NONE


def test_a_role_in_a_division_holds_in_the_divisions_below_it(company: Company) -> None:
    below = Division.objects.create(
        organization=company.organization, parent=company.brand, name="Events", slug="events"
    )
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    assert lead.has_perm("organizations.manage_divisions", below)
    assert not lead.has_perm("organizations.manage_divisions", company.retail)


def test_a_closed_account_has_no_role(company: Company) -> None:
    editor = factories.member(company.launches)
    editor.is_active = False
    assert roles_in(editor, company.launches) == set()
    assert not editor.has_perm("organizations.open_people", company.organization)


def test_no_permission_holds_on_nothing(company: Company) -> None:
    assert not company.owner.has_perm("organizations.manage_people", None)
    assert not company.owner.has_perm("organizations.open_people", None)


@pytest.mark.parametrize("giver", [Role.OWNER, Role.ADMIN])
def test_whoever_administers_the_organization_gives_roles_up_to_their_own(
    company: Company, giver: Role
) -> None:
    user = factories.member(company.organization, giver)
    given = set(roles_givable(user, company.organization))
    assert (Role.OWNER in given) == (giver == Role.OWNER)
    assert {Role.ADMIN, Role.AUDITOR, Role.EDITOR} <= given


def test_a_workspace_manager_makes_nobody_lead_of_a_division(company: Company) -> None:
    manager = factories.member(company.brand, Role.WORKSPACE_MANAGER)
    assert Role.DIVISION_LEAD not in roles_givable(manager, company.brand)
    assert Role.WORKSPACE_MANAGER in roles_givable(manager, company.launches)


def test_roles_that_manage_nobody_give_nothing(company: Company) -> None:
    for role in (Role.AUDITOR, Role.STEWARD, Role.EDITOR):
        user = factories.member(company.organization, role)
        assert roles_givable(user, company.organization) == []


def test_every_role_has_a_rank_and_a_place(company: Company) -> None:
    assert set(RANK) == set(Role)
    places = [company.organization, company.brand, company.launches]
    assert {role for place in places for role in roles_possible_in(place)} == set(Role)


def test_reach_says_for_every_place_what_the_policy_says_for_one(company: Company) -> None:
    events = Division.objects.create(
        organization=company.organization, parent=company.brand, name="Events", slug="events"
    )
    people = [
        company.owner,
        factories.member(company.organization, Role.ADMIN),
        factories.member(company.brand, Role.DIVISION_LEAD),
        factories.member(events, Role.DIVISION_LEAD),
        factories.member(company.brand, Role.WORKSPACE_MANAGER),
        factories.member(company.shops, Role.WORKSPACE_MANAGER),
        factories.member(company.launches, Role.EDITOR),
    ]
    factories.member(company.retail, Role.DIVISION_LEAD, user=people[-2])
    scopes = [
        company.organization, company.brand, company.retail, events,
        company.launches, company.newsroom, company.shops,
    ]  # fmt: skip
    for user in people:
        reach = reach_of(user, company.organization)
        assert {place.value for place in reach.places} == {place_value(scope) for scope in scopes}
        for scope in scopes:
            assert reach.rank_at(place_value(scope)) == rank_in(user, scope)
            assert reach.by_value[place_value(scope)].roles == roles_givable(user, scope)


def test_the_database_refuses_roles_out_of_place(company: Company) -> None:
    user = factories.person()
    for place in ({"division": company.brand}, {"workspace": company.launches}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Membership.objects.create(
                organization=company.organization, user=user, role=Role.ADMIN, **place
            )
    for role in (Role.DIVISION_LEAD, Role.WORKSPACE_MANAGER):
        with pytest.raises(IntegrityError), transaction.atomic():
            Membership.objects.create(organization=company.organization, user=user, role=role)
