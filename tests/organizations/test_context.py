"""The shell around every page."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from apps.organizations.context import shell
from apps.organizations.models import Role
from tests import factories
from tests.factories import Company

NOTEBOOKS, ADMINISTRATION = ["Notebooks", "Trash"], ["People", "Divisions", "Audit log"]


def _shell(user: object, **session: str) -> object:
    request = RequestFactory().get("/")
    request.user, request.session = user, session  # type: ignore[assignment]
    return shell(request)["shell"]


@pytest.mark.parametrize(
    ("place", "role", "extra"),
    [
        ("organization", Role.OWNER, ["Models", "Console", *ADMINISTRATION, "Organization"]),
        ("organization", Role.ADMIN, ["Models", "Console", *ADMINISTRATION, "Organization"]),
        ("organization", Role.AUDITOR, ["Console", "Audit log"]),
        ("brand", Role.DIVISION_LEAD, ["Learning", "Usage", *ADMINISTRATION]),
        ("launches", Role.WORKSPACE_MANAGER, ["People", "Divisions"]),
        ("launches", Role.EDITOR, []),
        ("organization", Role.GUEST, []),
    ],
)
def test_everybody_sees_the_pages_of_their_role(
    company: Company, place: str, role: Role, extra: list[str]
) -> None:
    user = factories.member(getattr(company, place), role)
    assert [entry.label for entry in _shell(user).nav] == [*NOTEBOOKS, *extra]


def test_the_shell_costs_one_query(company: Company) -> None:
    factories.member(factories.company("Birch").launches, user=company.owner)
    with CaptureQueriesContext(connection) as queries:
        found = _shell(company.owner)
    assert len(queries) == 1
    assert [one.name for one in found.organizations] == ["Alder", "Birch"]


def test_the_organization_used_last_is_at_hand(company: Company) -> None:
    birch = factories.company("Birch").organization
    factories.member(birch, Role.VIEWER, user=company.owner)
    found = _shell(company.owner, organization=str(birch.pk))
    assert found.organization == birch
    assert not found.can_administrate


def test_nobody_has_an_empty_shell(db: None) -> None:
    assert _shell(AnonymousUser()).nav == []
    assert _shell(factories.person()).organization is None
