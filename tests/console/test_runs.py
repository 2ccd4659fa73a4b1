"""Runs: listed for who runs the house, opened only as far as one may read."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.console import run_list
from apps.inference import failures, quotas
from apps.inference.models import RunStatus
from apps.notebooks.models import Notebook
from apps.organizations.models import Role
from tests import factories
from tests.console.history import QUOTED, SECRET, ran, wrote
from tests.factories import Company

SignedIn = Callable[[User], Client]
URL = "/o/alder/console/runs/"
QUERIES = 20


@pytest.fixture
def admin(company: Company, signed_in: SignedIn) -> Client:
    return signed_in(factories.member(company.organization, Role.ADMIN))


@pytest.fixture
def notebook(company: Company) -> Notebook:
    return factories.notebook(company.launches, title="Secret launch")


def test_an_admin_sees_that_a_run_was_and_not_where(admin: Client, notebook: Notebook) -> None:
    run = ran(notebook)

    page = admin.get(URL).text

    assert str(run.pk) in page
    assert "Secret launch" not in page
    assert "A notebook that you may not open" in page


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.RUNNING])
def test_an_admin_reads_figures_and_no_content(
    admin: Client, notebook: Notebook, status: str
) -> None:
    run = ran(notebook, status=status)
    if status == RunStatus.SUCCEEDED:
        wrote(run)

    page = admin.get(f"{URL}{run.pk}/").text

    assert SECRET not in page
    assert "tagline" not in page
    assert "Secret launch" not in page
    assert "Cell 1" in page
    assert "30, 70" in page  # tokens
    if status == RunStatus.FAILED:
        assert "too long" in page
    if status == RunStatus.RUNNING:
        assert "machine:7" in page


def test_an_owner_who_may_open_the_notebook_reads_what_was_asked_and_written(
    company: Company, signed_in: SignedIn
) -> None:
    notebook = factories.notebook(company.launches, by=company.owner, title="Secret launch")
    run = ran(notebook)
    wrote(run)

    page = signed_in(company.owner).get(f"{URL}{run.pk}/").text

    assert f"Write about {SECRET}" in page
    assert f"A text about {SECRET}" in page
    assert "tagline" in page


def test_a_source_of_a_closed_notebook_stays_closed_within_an_open_prompt(
    company: Company, signed_in: SignedIn
) -> None:
    own = factories.notebook(company.launches, by=company.owner)
    run = ran(own, quoting=factories.notebook(company.shops, title="Elsewhere"))
    open_run = ran(own, quoting=own)

    client = signed_in(company.owner)
    page = client.get(f"{URL}{run.pk}/").text

    assert SECRET in page
    assert QUOTED not in page
    assert "a source that you may not open" in page
    assert QUOTED in client.get(f"{URL}{open_run.pk}/").text


def test_a_run_of_another_organization_is_not_there(admin: Client) -> None:
    elsewhere = factories.company("Elsewhere")
    run = ran(factories.notebook(elsewhere.launches))

    assert admin.get(f"{URL}{run.pk}/").status_code == 404


def test_runs_are_filtered_by_state_person_and_division(
    admin: Client, company: Company, notebook: Notebook
) -> None:
    someone = factories.member(company.launches)
    failed = ran(notebook, status=RunStatus.FAILED, by=someone)
    done = ran(factories.notebook(company.shops))

    def listed(**wanted: object) -> set[str]:
        page = admin.get(URL, wanted).text
        return {str(run.pk) for run in (failed, done) if f"run-{run.pk}" in page}

    assert listed() == {str(failed.pk), str(done.pk)}
    assert listed(status="failed") == {str(failed.pk)}
    assert listed(actor=someone.pk) == {str(failed.pk)}
    assert listed(division=company.retail.pk) == {str(done.pk)}
    assert listed(status="cancelled") == set()
    assert listed(status="no such state", actor="x") == {str(failed.pk), str(done.pk)}


def test_pages_follow_each_other_without_a_hole(admin: Client, notebook: Notebook) -> None:
    begin = timezone.now()
    runs = [ran(notebook, at=begin - timedelta(minutes=number)) for number in range(30)]

    first = admin.get(URL).context["page"]
    second = admin.get(URL, {"before": first.next_before}).context["page"]

    assert [row.run.pk for row in first.rows + second.rows] == [run.pk for run in runs]
    assert second.next_before == ""
    assert len(admin.get(URL, {"before": "rubbish"}).context["page"].rows) == 25


def test_a_waiting_run_says_which_limit_it_waits_for(
    admin: Client, company: Company, notebook: Notebook
) -> None:
    quotas.set_quota(organization=company.organization, by=company.owner, tokens_per_day=10)
    wrote(ran(notebook))
    ran(notebook, status=RunStatus.QUEUED)

    assert "are used up (10)" in admin.get(URL).text


def test_a_failed_run_says_of_what_kind_and_quotes_nothing(
    admin: Client, notebook: Notebook
) -> None:
    ran(notebook, status=RunStatus.FAILED)

    page = admin.get(URL).text

    assert "is too long" in page
    assert SECRET not in page


def test_more_runs_cost_no_more_queries(admin: Client, notebook: Notebook) -> None:
    ran(notebook)
    admin.get(URL)
    with CaptureQueriesContext(connection) as few:
        admin.get(URL)
    for _ in range(12):
        ran(notebook)
    with CaptureQueriesContext(connection) as many:
        admin.get(URL)

    assert len(many) == len(few) <= QUERIES


def test_before_the_first_run_the_page_teaches(admin: Client) -> None:
    assert "presses Update" in admin.get(URL).text


def test_why_a_cell_failed_is_said_without_a_gap_where_the_reason_would_stand() -> None:
    for code in failures._WORDS:
        said = run_list.kind_of_error(code)
        assert said
        assert "?" not in said
        assert not said.endswith((":", " "))
    assert run_list.kind_of_error("") == ""
