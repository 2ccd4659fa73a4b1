"""Every route, by everybody who could try it (route_table.py)."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django.plugin import DjangoDbBlocker

from tests.architecture import route_table
from tests.architecture.route_table import EVERYBODY, FOREIGN, ROWS, Row
from tests.architecture.world import ANONYMOUS, World, client_of, make_world

TOKEN = re.compile(r"[A-Za-z0-9]{64}")  # of CSRF, another one in every answer


def _routes(resolver: URLResolver, path: str = "", space: str = "") -> Iterator[tuple[str, Any]]:
    """Yield name and pattern of every route of ours."""
    for one in resolver.url_patterns:
        here = path + str(one.pattern)
        if here.startswith(FOREIGN):
            continue
        if isinstance(one, URLPattern):
            yield f"{space}{one.name}", one
        else:
            inner = f"{space}{one.namespace}:" if one.namespace else space
            yield from _routes(one, here, inner)


ROUTES = dict(_routes(get_resolver()))


def _parameters(route: str) -> set[str]:
    found = get_resolver()
    for part in route.split(":")[:-1]:
        found = found.namespace_dict[part][1]
    [(_path, names)] = found.reverse_dict.getlist(route.rpartition(":")[2])[0][0]
    return set(names)


def _address(row: Row, names: dict[str, str]) -> str:
    ours = {"slug": "organization", **row.names}
    kwargs = {name: names[ours.get(name, name)] for name in _parameters(row.route)}
    return reverse(row.route, kwargs=kwargs)


def _ask(client: Client, row: Row, names: dict[str, str]) -> HttpResponse:
    """Ask and take back whatever that did."""
    data = {key: value.format(**names) for key, value in row.data.items()}
    with transaction.atomic():
        answer = getattr(client, row.method.lower())(_address(row, names), data)
        transaction.set_rollback(True)
    return answer


def _outcome(answer: HttpResponse) -> str:
    if answer.status_code == 302 and answer["Location"].startswith("/accounts/login/"):
        return "sign-in"
    if answer.status_code in {401, 403, 404, 405} or answer.status_code >= 500:
        return str(answer.status_code)
    return "in"


def _expected(row: Row, name: str) -> str:
    if row.who == EVERYBODY:
        return "in"
    if name == ANONYMOUS:
        return "sign-in" if row.anonymous == 302 else str(row.anonymous)
    return "in" if name in row.who else "404"


def _row_id(row: Row) -> str:
    return f"{row.method} {row.route}"


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One world for the whole file; the tests take back what they do in it."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


@pytest.fixture
def world(made: World, db: None) -> World:
    return made


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert {row.route for row in ROWS} == set(ROUTES)


@pytest.mark.parametrize("row", ROWS, ids=_row_id)
def test_who_is_let_in_where(world: World, row: Row) -> None:
    found = {name: _ask(client_of(user), row, world.names) for name, user in world.people.items()}
    outcomes = {name: _outcome(answer) for name, answer in found.items()}
    if row.route == "accounts:home":  # leads who is not signed in to sign-in, of its own accord
        outcomes[ANONYMOUS] = "in"
    assert outcomes == {name: _expected(row, name) for name in world.people}


@pytest.mark.parametrize("row", [row for row in ROWS if _parameters(row.route)], ids=_row_id)
def test_what_belongs_to_others_looks_like_what_is_not_there(world: World, row: Row) -> None:
    nowhere = {name: str(uuid.uuid4()) for name in world.names} | {"number": "987654"}
    stranger = client_of(world.people["stranger"])
    missing = _ask(stranger, row, nowhere)
    assert missing.status_code == 404
    if row.who != EVERYBODY and "stranger" not in row.who:
        theirs = _ask(stranger, row, world.names)
        assert theirs.status_code == 404
        assert TOKEN.sub("", theirs.text) == TOKEN.sub("", missing.text)
        assert theirs.headers.keys() == missing.headers.keys()


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_no_route_takes_a_method_without_a_row(world: World, route: str) -> None:
    rows = [row for row in ROWS if row.route == route]
    client = client_of(world.people["owner"])
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - {row.method for row in rows}:
        answer = getattr(client, method.lower())(_address(rows[0], world.names))
        assert answer.status_code == 405, method


@pytest.mark.parametrize("row", [row for row in ROWS if row.method == "POST"], ids=_row_id)
def test_nothing_is_done_for_a_page_of_somebody_else(world: World, row: Row) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(
        world.company.owner, backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    answer = client.post(_address(row, world.names), headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "Please try once more" in answer.text


def test_topics_are_those_of_the_table() -> None:
    from pathlib import Path

    found: set[str] = set()
    for file in Path("apps").rglob("*.py"):
        for kind in re.findall(r"f\"([a-z]+)\.\{[a-z_.]*(?:id|pk)\}\"", file.read_text()):
            found.add(kind)
    assert found == route_table.TOPICS
