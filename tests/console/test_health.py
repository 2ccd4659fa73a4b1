"""The strip: what each light says, how little it asks, and that it is asked for again and again."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.console import health
from apps.console.health import Figure, Light
from apps.inference.models import RunStatus
from apps.notebooks.models import Contribution, Notebook
from apps.operations.models import Backup
from apps.organizations.models import Role
from tests import factories
from tests.console.history import ran, wrote
from tests.factories import Company

SignedIn = Callable[[User], Client]
URL = "/o/alder/console/"
QUERIES = 8  # of the strip alone, however much there is


@pytest.fixture
def notebook(company: Company) -> Notebook:
    made = factories.notebook(company.launches)
    long_ago = timezone.now() - timedelta(days=1)
    Notebook.objects.filter(pk=made.pk).update(edited_at=long_ago)
    Contribution.objects.update(last_at=long_ago)
    return made


def figure(company: Company, name: str) -> Figure:
    figures = health.strip(company.organization, timezone.now())
    return next(one for one in figures if one.name == name)


def backed_up(*, ago: timedelta) -> None:
    then = timezone.now() - ago
    Backup.objects.create(
        file_name="a", size_bytes=1, row_count=1, file_count=0, sha256="", started_at=then,
        finished_at=then,
    )  # fmt: skip


def test_nothing_has_happened_and_that_is_no_alarm_but_the_backup(
    company: Company, notebook: Notebook
) -> None:
    figures = health.strip(company.organization, timezone.now())

    assert {one.name: one.light for one in figures} == {
        "people": Light.NONE,
        "notebooks": Light.NONE,
        "queue": Light.GREEN,
        "first-token": Light.NONE,
        "speed": Light.NONE,
        "errors": Light.NONE,
        "backup": Light.RED,
    }
    assert health.worst(figures) is Light.RED


def test_who_writes_is_active_and_their_notebook_live(company: Company, notebook: Notebook) -> None:
    Contribution.objects.create(notebook=notebook, user=factories.member(company.launches))
    Notebook.objects.filter(pk=notebook.pk).update(edited_at=timezone.now())

    assert (figure(company, "people").value, figure(company, "notebooks").value) == ("1", "1")


@pytest.mark.parametrize(("count", "light"), [(1, Light.GREEN), (5, Light.AMBER), (20, Light.RED)])
def test_a_long_line_is_seen(
    company: Company, notebook: Notebook, count: int, light: Light
) -> None:
    for _ in range(count):
        ran(notebook, status=RunStatus.QUEUED)

    assert (figure(company, "queue").value, figure(company, "queue").light) == (str(count), light)


@pytest.mark.parametrize(
    ("wait", "light"), [(0.4, Light.GREEN), (4.0, Light.AMBER), (9.0, Light.RED)]
)
def test_a_late_first_word_is_seen(
    company: Company, notebook: Notebook, wait: float, light: Light
) -> None:
    wrote(ran(notebook), first_token_s=wait)

    assert figure(company, "first-token").light is light
    assert figure(company, "speed").value == "50"


@pytest.mark.parametrize(
    ("tokens_s", "light"), [(20, Light.GREEN), (5, Light.AMBER), (1, Light.RED)]
)
def test_slow_writing_is_seen(
    company: Company, notebook: Notebook, tokens_s: int, light: Light
) -> None:
    made = wrote(ran(notebook), tokens=101)
    type(made).objects.update(total_s=made.first_token_s + 100 / tokens_s)

    assert figure(company, "speed").light is light


@pytest.mark.parametrize(("good", "light"), [(0, Light.RED), (19, Light.AMBER), (99, Light.GREEN)])
def test_failures_are_seen(company: Company, notebook: Notebook, good: int, light: Light) -> None:
    ran(notebook, status=RunStatus.FAILED)
    for _ in range(good):
        ran(notebook)

    found = figure(company, "errors")
    assert found.light is light
    assert found.words == f"1 of {good + 1} in the last hour"


@pytest.mark.parametrize(
    ("ago", "light"),
    [
        (timedelta(hours=2), Light.GREEN),
        (timedelta(days=2), Light.AMBER),
        (timedelta(days=8), Light.RED),
    ],
)
def test_an_old_backup_is_seen(
    company: Company, notebook: Notebook, ago: timedelta, light: Light
) -> None:
    backed_up(ago=ago)

    assert figure(company, "backup").light is light
    assert health.worst([figure(company, "backup")]) is light


def test_the_strip_asks_the_same_few_questions_however_much_there_is(
    company: Company, notebook: Notebook, signed_in: SignedIn
) -> None:
    admin = factories.member(company.organization, Role.ADMIN)
    for _ in range(3):
        wrote(ran(notebook))
    with CaptureQueriesContext(connection) as few:
        health.strip(company.organization, timezone.now())
    for _ in range(20):
        wrote(ran(notebook))
        ran(notebook, status=RunStatus.QUEUED)
    with CaptureQueriesContext(connection) as many:
        health.strip(company.organization, timezone.now())

    assert len(many) == len(few) <= QUERIES
    strip = signed_in(admin).get(URL, headers={"HX-Request": "true"})
    assert 'hx-trigger="every 4s"' in strip.text
    assert "<html" not in strip.text
    assert "Too long a line: add a worker or raise a limit" in strip.text
