"""Who may do what with a notebook: every role, audience and grant, and every action."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.notebooks import selectors
from apps.notebooks.models import Notebook, ShareGrant
from apps.notebooks.rights import levels_on
from apps.notebooks.services.notebooks import trash_notebook
from apps.organizations.models import Division, Membership, Organization, Role, Workspace
from apps.organizations.policy import Level, roles_possible_in
from apps.organizations.services import structure
from tests import factories
from tests.factories import Company

SignedIn = Callable[[User], Client]
Scope = Organization | Division | Workspace

# product.md, "Roles x permissions": content of a notebook that is open to its workspace.
OPEN_TO_ITS_WORKSPACE = {
    Role.OWNER: Level.NONE,
    Role.ADMIN: Level.NONE,
    Role.AUDITOR: Level.NONE,
    Role.STEWARD: Level.NONE,
    Role.DIVISION_LEAD: Level.MANAGE,
    Role.WORKSPACE_MANAGER: Level.MANAGE,
    Role.EDITOR: Level.RUN,
    Role.APPROVER: Level.SUGGEST,
    Role.COMMENTER: Level.COMMENT,
    Role.VIEWER: Level.VIEW,
    Role.GUEST: Level.NONE,
}
GRANTED = [Level.VIEW, Level.COMMENT, Level.SUGGEST, Level.EDIT, Level.RUN, Level.MANAGE]
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
_numbers = count()


def _row(workspace: Workspace, owner: User, audience: str) -> Notebook:
    """Return a notebook without a document: rights do not ask for one."""
    slug = f"notebook-{next(_numbers)}"
    return Notebook.objects.create(
        organization=workspace.organization,
        workspace=workspace,
        owner=owner,
        title=slug,
        slug=slug,
        audience=audience,
    )


def _place_of(company: Company, role: str) -> Scope:
    """Return where the role can be held so that it reaches the workspace of launches."""
    for scope in (company.launches, company.brand, company.organization):
        if role in roles_possible_in(scope):
            return scope
    raise AssertionError(role)


@pytest.mark.parametrize("role", Role.values)
def test_a_role_gives_what_the_matrix_says(company: Company, role: str) -> None:
    person = factories.member(_place_of(company, role), role)
    open_one = _row(company.launches, company.owner, Notebook.Audience.WORKSPACE)
    private = _row(company.launches, company.owner, Notebook.Audience.PRIVATE)
    elsewhere = _row(company.shops, company.owner, Notebook.Audience.WORKSPACE)
    expected = OPEN_TO_ITS_WORKSPACE[Role(role)]
    managed = expected if expected == Level.MANAGE else Level.NONE
    assert selectors.level_of(person, open_one) == expected
    assert selectors.level_of(person, private) == managed
    assert selectors.level_of(person, elsewhere) == Level.NONE


@pytest.mark.parametrize("level", GRANTED)
@pytest.mark.parametrize("audience", Notebook.Audience.values)
@pytest.mark.parametrize("role", [Role.GUEST, Role.VIEWER, Role.EDITOR, Role.ADMIN])
def test_the_higher_of_role_and_grant_counts(
    company: Company, role: str, audience: str, level: Level
) -> None:
    person = factories.member(_place_of(company, role), role)
    notebook = _row(company.launches, company.owner, audience)
    by_role = selectors.level_of(person, notebook)
    ShareGrant.objects.create(notebook=notebook, user=person, level=level)
    assert selectors.level_of(person, notebook) == max(by_role, level)


def test_every_way_of_asking_gives_one_answer(company: Company) -> None:
    everybody, notebooks = list(_people(company)), list(_notebooks(company))
    _grants(company, everybody, notebooks)
    loaded = list(Notebook.objects.select_related("workspace__division__parent", "organization"))
    assert len(loaded) == len(notebooks)
    many = {notebook.pk: levels_on(notebook, [one.pk for one in everybody]) for notebook in loaded}
    seen = set()
    for person in everybody:
        reach = selectors.reach_of(person, company.organization)
        at_once = reach.levels(loaded)
        visible = set(reach.visible().values_list("pk", flat=True))
        for notebook in loaded:
            level = selectors.level_of(person, notebook)
            seen.add(level)
            assert at_once[notebook.pk] == level, (person, notebook)
            assert (notebook.pk in visible) == (level >= Level.VIEW), (person, notebook)
            assert many[notebook.pk][person.pk] == level, (person, notebook)
    assert seen == set(Level)


def _people(company: Company) -> Iterator[User]:
    """Yield somebody for each role in each place where it can be held, and the special cases."""
    below = structure.add_division(
        organization=company.organization, parent=company.brand, name="Below", by=company.owner
    )
    structure.add_workspace(division=below, name="Deep", by=company.owner)
    for scope in (company.organization, company.brand, below, company.launches):
        for role in roles_possible_in(scope):
            yield factories.member(scope, role)
    several = factories.member(company.launches, Role.VIEWER)
    yield factories.member(company.newsroom, Role.EDITOR, user=several)
    closed = factories.member(company.launches, Role.EDITOR)
    User.objects.filter(pk=closed.pk).update(is_active=False)
    yield User.objects.get(pk=closed.pk)
    yield factories.company("Elsewhere").owner
    yield company.owner


def _notebooks(company: Company) -> Iterator[Notebook]:
    """Yield two notebooks of each kind in each workspace; one of them is in the trash."""
    for workspace in company.organization.workspaces.all():
        for audience in Notebook.Audience.values:
            yield _row(workspace, company.owner, audience)
            thrown = _row(workspace, company.owner, audience)
            trash_notebook(notebook=thrown, by=company.owner)
            yield thrown


def _grants(company: Company, people: list[User], notebooks: list[Notebook]) -> None:
    """Give grants of every kind, level and age, spread so that each meets several people."""
    now = timezone.now()
    for at, person in enumerate(people):
        for step, level in enumerate(GRANTED):
            notebook = notebooks[(at * 3 + step * 5) % len(notebooks)]
            ends = [None, now + timedelta(days=1), now - timedelta(days=1)][(at + step) % 3]
            ShareGrant.objects.get_or_create(
                notebook=notebook,
                user=person,
                through_link=None,
                defaults={"level": level, "expires_at": ends},
            )
    divisions = list(company.organization.divisions.all())
    for at, notebook in enumerate(notebooks[::2]):
        division = divisions[at % len(divisions)]
        level = GRANTED[at % len(GRANTED)]
        ShareGrant.objects.create(notebook=notebook, division=division, level=level)
    for at, notebook in enumerate(notebooks[1::3]):
        notebook.owner = people[at]
        notebook.save(update_fields=["owner"])


def test_a_division_shares_with_those_who_work_below_it_too(company: Company) -> None:
    below = structure.add_division(
        organization=company.organization, parent=company.retail, name="Iberia", by=company.owner
    )
    deep = structure.add_workspace(division=below, name="Madrid", by=company.owner)
    person, above = factories.member(deep), factories.member(company.brand)
    notebook = _row(company.launches, company.owner, Notebook.Audience.PRIVATE)
    ShareGrant.objects.create(notebook=notebook, division=company.retail, level=Level.EDIT)
    assert selectors.level_of(person, notebook) == Level.EDIT
    assert selectors.level_of(above, notebook) == Level.NONE


def test_a_grant_gives_nothing_to_who_left(company: Company) -> None:
    person = factories.member(company.launches)
    notebook = _row(company.launches, person, Notebook.Audience.WORKSPACE)
    ShareGrant.objects.create(notebook=notebook, user=person, level=Level.MANAGE)
    Membership.objects.filter(user=person).delete()
    assert selectors.level_of(person, notebook) == Level.NONE
    assert not selectors.visible_notebooks(person, company.organization).exists()


def test_nobody_unknown_sees_anything(company: Company) -> None:
    notebook = _row(company.launches, company.owner, Notebook.Audience.WORKSPACE)
    anybody = AnonymousUser()
    assert selectors.level_of(anybody, notebook) == Level.NONE  # type: ignore[arg-type]
    assert not selectors.visible_notebooks(
        anybody,  # type: ignore[arg-type]
        company.organization,
    ).exists()


def test_the_gate_refuses_below_what_is_needed_and_what_is_not_there(company: Company) -> None:
    viewer = factories.member(company.launches, Role.VIEWER)
    notebook = factories.notebook(company.launches)
    assert selectors.access_notebook(viewer, notebook.pk).level == Level.VIEW
    for pk, need in ((notebook.pk, Level.COMMENT), (viewer.pk, Level.VIEW)):
        with pytest.raises(NotVisible):
            selectors.access_notebook(viewer, pk, need=need)
    stranger = factories.member(company.shops)
    with pytest.raises(NotVisible):
        selectors.access_notebook(stranger, notebook.pk, need=Level.NONE)


def test_what_is_in_the_trash_is_read_and_not_written(company: Company) -> None:
    notebook = factories.notebook(company.launches)
    assert selectors.access_notebook(notebook.owner, notebook.pk).may_edit
    trash_notebook(notebook=notebook, by=notebook.owner)
    access = selectors.access_notebook(notebook.owner, notebook.pk)
    assert (access.may_edit, access.may_manage) == (False, True)


def test_a_page_of_levels_costs_one_query(
    company: Company, django_assert_num_queries: Callable[[int], object]
) -> None:
    person = factories.member(company.launches)
    notebooks = [
        _row(company.launches, company.owner, Notebook.Audience.WORKSPACE) for _ in range(20)
    ]
    with django_assert_num_queries(3):  # type: ignore[attr-defined]
        reach = selectors.reach_of(person, company.organization)
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        reach.levels(notebooks)


def test_the_levels_of_many_people_cost_two_queries_however_many_they_are(
    company: Company, django_assert_num_queries: Callable[[int], object]
) -> None:
    notebook = _row(company.shops, company.owner, Notebook.Audience.PRIVATE)
    ShareGrant.objects.create(notebook=notebook, division=company.brand, level=Level.EDIT)
    people = {factories.member(company.launches).pk for _ in range(5)}
    asked = Notebook.objects.select_related("workspace__division__parent").get(pk=notebook.pk)
    with django_assert_num_queries(2):  # type: ignore[attr-defined]
        levels = levels_on(asked, people)
    assert set(levels.values()) == {Level.EDIT}


# (route, method, lowest level that passes the gate)
ACTIONS = [
    ("duplicate", "post", Level.VIEW),
    ("move", "get", Level.MANAGE),
    ("move", "post", Level.MANAGE),
    ("trash_notebook", "post", Level.MANAGE),
    ("restore", "post", Level.MANAGE),
    ("delete", "post", Level.MANAGE),
    ("images", "post", Level.EDIT),
    ("share", "get", Level.MANAGE),
    ("share_search", "get", Level.MANAGE),
    ("share_add", "post", Level.MANAGE),
    ("share_link", "post", Level.MANAGE),
    ("share_audience", "post", Level.MANAGE),
    ("share_owner", "post", Level.MANAGE),
]


@pytest.mark.parametrize(("route", "method", "needed"), ACTIONS)
def test_an_action_is_there_from_its_level_on(
    company: Company, signed_in: SignedIn, route: str, method: str, needed: Level
) -> None:
    notebook = factories.notebook(company.launches, audience=Notebook.Audience.PRIVATE)
    url = reverse(f"notebooks:{route}", args=[notebook.pk])
    person = factories.member(company.shops, Role.VIEWER)
    client = signed_in(person)
    assert getattr(client, method)(url).status_code == 404
    grant = ShareGrant.objects.create(notebook=notebook, user=person, level=Level.VIEW)
    for level in GRANTED:
        ShareGrant.objects.filter(pk=grant.pk).update(level=level)
        Notebook.objects.filter(pk=notebook.pk).update(trashed_at=None)
        found = getattr(client, method)(url).status_code != 404
        assert found == (level >= needed), level


@pytest.mark.parametrize(("route", "method", "needed"), ACTIONS)
def test_an_action_asks_who_is_there(
    company: Company, client: Client, route: str, method: str, needed: Level
) -> None:
    notebook = factories.notebook(company.launches)
    url = reverse(f"notebooks:{route}", args=[notebook.pk])
    answer = getattr(client, method)(url)
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))
    assert needed > Level.NONE


@pytest.mark.parametrize("route", [route for route, method, _needed in ACTIONS if method == "post"])
def test_nothing_is_written_without_the_pages_own_token(company: Company, route: str) -> None:
    notebook = factories.notebook(company.launches)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(notebook.owner, backend=BACKEND)
    assert strict.post(reverse(f"notebooks:{route}", args=[notebook.pk])).status_code == 403
