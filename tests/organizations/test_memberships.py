"""Giving, changing and taking roles."""

import pytest

from apps.organizations.models import AuditEvent, Membership, Role
from apps.organizations.services import memberships
from apps.organizations.services.memberships import RoleGiven
from tests import factories
from tests.factories import Company
from tests.organizations.fixtures import Told


def _role_of(user: object, **place: object) -> str:
    return Membership.objects.get(user=user, **place).role


def test_a_person_gets_one_more_role_and_open_sockets_hear_of_it(
    company: Company, told: Told
) -> None:
    editor = factories.member(company.launches)
    given = RoleGiven(scope=company.brand, role=Role.VIEWER)
    memberships.add_membership(user=editor, given=given, by=company.owner)
    assert _role_of(editor, division=company.brand) == Role.VIEWER
    assert told == [f"user.{editor.pk}"]
    event = AuditEvent.objects.get(verb="membership.added", actor=company.owner)
    assert event.data["role"] == Role.VIEWER
    assert event.division == company.brand


def test_a_stranger_has_to_be_invited_first(company: Company) -> None:
    given = RoleGiven(scope=company.brand, role=Role.VIEWER)
    with pytest.raises(memberships.NotInOrganization):
        memberships.add_membership(user=factories.person(), given=given, by=company.owner)


def test_nobody_holds_two_roles_in_one_place(company: Company) -> None:
    editor = factories.member(company.launches)
    given = RoleGiven(scope=company.launches, role=Role.VIEWER)
    with pytest.raises(memberships.AlreadyMember, match="Launches"):
        memberships.add_membership(user=editor, given=given, by=company.owner)


@pytest.mark.parametrize(
    ("scope", "role"),
    [
        ("brand", Role.ADMIN),
        ("launches", Role.DIVISION_LEAD),
        ("organization", Role.WORKSPACE_MANAGER),
        ("organization", "emperor"),
    ],
)
def test_a_role_is_given_only_where_it_means_something(
    company: Company, scope: str, role: str
) -> None:
    editor = factories.member(company.newsroom)
    given = RoleGiven(scope=getattr(company, scope), role=role)
    with pytest.raises(memberships.RoleOutOfPlace):
        memberships.add_membership(user=editor, given=given, by=company.owner)


def test_an_admin_makes_nobody_owner(company: Company) -> None:
    admin = factories.member(company.organization, Role.ADMIN)
    editor = factories.member(company.launches)
    given = RoleGiven(scope=company.organization, role=Role.OWNER)
    with pytest.raises(memberships.RoleOutOfReach, match="Owner"):
        memberships.add_membership(user=editor, given=given, by=admin)


def test_a_lead_gives_roles_in_their_own_division_only(company: Company) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    editor = factories.member(company.launches)
    memberships.add_membership(
        user=editor, given=RoleGiven(scope=company.newsroom, role=Role.EDITOR), by=lead
    )
    with pytest.raises(memberships.RoleOutOfReach):
        memberships.add_membership(
            user=editor, given=RoleGiven(scope=company.shops, role=Role.EDITOR), by=lead
        )


def test_an_admin_does_not_give_themselves_a_reader_s_role(company: Company) -> None:
    admin = factories.member(company.organization, Role.ADMIN)
    given = RoleGiven(scope=company.launches, role=Role.VIEWER)
    with pytest.raises(memberships.NotToOneself):
        memberships.add_membership(user=admin, given=given, by=admin)


def test_an_owner_may_in_an_emergency_and_the_log_shows_it(company: Company) -> None:
    given = RoleGiven(scope=company.launches, role=Role.VIEWER)
    memberships.add_membership(user=company.owner, given=given, by=company.owner)
    event = AuditEvent.objects.get(verb="membership.added")
    assert event.actor == company.owner
    assert event.data["email"] == company.owner.email


def test_a_role_changes_and_the_log_keeps_both(company: Company, told: Told) -> None:
    editor = factories.member(company.launches)
    held = Membership.objects.get(user=editor)
    memberships.change_role(membership=held, role=Role.APPROVER, by=company.owner)
    assert _role_of(editor) == Role.APPROVER
    assert told == [f"user.{editor.pk}"]
    event = AuditEvent.objects.get(verb="membership.changed")
    assert (event.data["before"], event.data["role"]) == (Role.EDITOR, Role.APPROVER)


def test_a_manager_cannot_change_whoever_ranks_above(company: Company) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    manager = factories.member(company.brand, Role.WORKSPACE_MANAGER)
    with pytest.raises(memberships.RoleOutOfReach):
        memberships.change_role(
            membership=Membership.objects.get(user=lead), role=Role.VIEWER, by=manager
        )
    with pytest.raises(memberships.RoleOutOfReach):
        memberships.end_membership(membership=Membership.objects.get(user=lead), by=manager)


def test_nobody_raises_their_own_role(company: Company) -> None:
    manager = factories.member(company.brand, Role.WORKSPACE_MANAGER)
    held = Membership.objects.get(user=manager)
    with pytest.raises(memberships.NotToOneself):
        memberships.change_role(membership=held, role=Role.EDITOR, by=manager)


def test_the_last_owner_stays_owner(company: Company) -> None:
    held = Membership.objects.get(user=company.owner)
    with pytest.raises(memberships.OwnerMissing):
        memberships.change_role(membership=held, role=Role.ADMIN, by=company.owner)
    factories.member(company.launches, Role.VIEWER, user=company.owner)
    with pytest.raises(memberships.OwnerMissing):
        memberships.end_membership(membership=held, by=company.owner)


def test_an_owner_steps_down_once_there_is_another(company: Company) -> None:
    other = factories.member(company.organization, Role.OWNER)
    held = Membership.objects.get(user=company.owner)
    memberships.change_role(membership=held, role=Role.ADMIN, by=other)
    assert _role_of(company.owner) == Role.ADMIN


def test_one_of_several_roles_ends(company: Company, told: Told) -> None:
    editor = factories.member(company.launches)
    factories.member(company.newsroom, user=editor)
    held = Membership.objects.get(workspace=company.launches, user=editor)
    memberships.end_membership(membership=held, by=company.owner)
    assert [m.scope for m in Membership.objects.filter(user=editor)] == [company.newsroom]
    assert told == [f"user.{editor.pk}"]


def test_everybody_may_lay_a_role_down(company: Company) -> None:
    editor = factories.member(company.launches)
    factories.member(company.newsroom, user=editor)
    held = Membership.objects.get(workspace=company.launches, user=editor)
    memberships.end_membership(membership=held, by=editor)
    assert not Membership.objects.filter(pk=held.pk).exists()


def test_the_last_role_does_not_end_by_the_way(company: Company) -> None:
    editor = factories.member(company.launches)
    with pytest.raises(memberships.LastRole):
        memberships.end_membership(membership=Membership.objects.get(user=editor), by=company.owner)
