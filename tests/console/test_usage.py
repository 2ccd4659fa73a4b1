"""Charts, their tables, and the ledger as a file."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.console import charts
from apps.console.charts import Chart
from apps.console.sight import sight_of
from apps.inference.models import RunStatus
from apps.notebooks.models import Notebook
from apps.organizations.models import AuditEvent, Role
from tests import factories
from tests.console.history import ran, wrote
from tests.factories import Company
from tests.learning import stories

SignedIn = Callable[[User], Client]
URL = "/o/alder/console/usage/"


@pytest.fixture
def notebook(company: Company) -> Notebook:
    return factories.notebook(company.launches)


def rows(chart: Chart) -> dict[str, list[float | None]]:
    return dict(chart.rows)


def shown(client: Client, name: str) -> Chart:
    return next(one for one in client.get(URL).context["charts"] if one.name == name)


def test_nothing_was_spent_and_every_chart_says_how_it_begins(
    company: Company, signed_in: SignedIn
) -> None:
    page = signed_in(company.owner).get(URL)

    assert all(chart.says == "" and chart.rows == [] for chart in page.context["charts"])
    assert "<canvas" not in page.text
    assert page.text.count("chart-empty") == 6


def test_tokens_are_told_by_day_person_and_division(
    company: Company, notebook: Notebook, signed_in: SignedIn
) -> None:
    mara, yesterday = factories.member(company.launches), timezone.now() - timedelta(days=1)
    wrote(ran(notebook, by=mara), tokens=70)
    wrote(ran(notebook, by=mara, at=yesterday), tokens=20)
    wrote(ran(factories.notebook(company.shops)), tokens=10)

    client = signed_in(company.owner)

    days = rows(shown(client, "tokens"))
    assert days[f"{timezone.now():%Y-%m-%d}"] == [0.0, 80.0]
    assert days[f"{yesterday:%Y-%m-%d}"] == [0.0, 20.0]
    assert len(days) == 30
    assert rows(shown(client, "divisions")) == {"Brand": [90.0], "Retail": [10.0]}
    assert shown(client, "people").says == f"{mara.name} used most: 90 % of 100 tokens."
    assert client.get(URL, {"days": 7}).context["days"] == 7
    assert client.get(URL, {"days": "x"}).context["days"] == 30


def test_a_lead_sees_what_their_divisions_used_and_no_more(
    company: Company, notebook: Notebook, signed_in: SignedIn
) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    wrote(ran(notebook), tokens=70)
    wrote(ran(factories.notebook(company.shops)), tokens=10)

    client = signed_in(lead)
    page = client.get(URL)

    assert rows(shown(client, "divisions")) == {"Brand": [70.0]}
    assert [one.name for one in page.context["charts"]] == ["kept", "tokens", "divisions", "people"]
    assert "You see Brand." in page.text
    file = client.post(f"{URL}download/").text
    assert ("Brand" in file, "Retail" in file) == (True, False)


def test_who_leads_nothing_sees_nothing(company: Company) -> None:
    sight = sight_of(factories.member(company.launches), company.organization)

    assert sight.divisions == frozenset()


def test_what_was_kept_is_told_by_week_and_division(company: Company) -> None:
    made = stories.wrote(company.launches)
    record = stories.settled(made, company.launches)
    sight = sight_of(company.owner, company.organization)

    chart = charts.kept_by_week(sight, timezone.now() - timedelta(days=30))

    share = round(100 * record.kept_chars / record.output_chars, 1)
    assert chart.columns == ["Brand"]
    assert [values for _week, values in chart.rows] == [[share]]
    assert f"{round(share)} % was kept" in chart.says


def test_only_what_a_text_became_last_counts_as_kept(company: Company) -> None:
    made = stories.wrote(company.launches)
    first = stories.settled(made, company.launches, settle="idle")
    type(first).objects.update(settled_at=timezone.now() - timedelta(hours=2), kept_chars=0)
    stories.settled(made, company.launches, made.text)
    sight = sight_of(company.owner, company.organization)

    chart = charts.kept_by_week(sight, timezone.now() - timedelta(days=30))

    assert [values for _week, values in chart.rows][-1] == [100.0]


def test_waits_and_failures_are_told(company: Company, notebook: Notebook) -> None:
    wrote(ran(notebook), first_token_s=1.5)
    ran(notebook, status=RunStatus.FAILED)
    sight, now = sight_of(company.owner, company.organization), timezone.now()

    waits = charts.first_token_by_hour(sight, now)
    failures = charts.errors_by_day(sight, charts.beginning(7, now), now)

    assert [values for _hour, values in waits.rows] == [[1.5, 1.0]]
    assert "within 1.5 s" in waits.says
    assert rows(failures)[f"{now:%Y-%m-%d}"] == [1.0, 1.0]
    assert failures.says == "1 of 2 cells were not written."


def test_every_picture_has_its_table_and_its_sentence(
    company: Company, notebook: Notebook, signed_in: SignedIn
) -> None:
    wrote(ran(notebook))

    page = signed_in(company.owner).get(URL).text

    assert (
        page.count("<canvas") == page.count("As a table") == page.count('class="chart-says"') == 5
    )
    assert page.count('role="img"') == 5


def test_the_ledger_is_a_file_and_taking_it_is_noted(
    company: Company, notebook: Notebook, signed_in: SignedIn
) -> None:
    tricky = factories.member(company.launches, user=factories.person("=1+1"))
    wrote(ran(notebook, by=tricky), tokens=70)

    answer = signed_in(company.owner).post(f"{URL}download/", {"days": 7})

    [row] = csv.DictReader(io.StringIO(answer.text))
    assert row["person"] == "'=1+1"  # no formula
    assert (row["division"], row["texts"], row["tokens_written"]) == ("Brand", "1", "70")
    assert answer["Content-Type"].startswith("text/csv")
    assert AuditEvent.objects.get(verb="usage.downloaded").data == {"days": 7}


def test_a_long_ledger_comes_in_pieces(company: Company, notebook: Notebook, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from apps.console import usage_file

    monkeypatch.setattr(usage_file, "AT_ONCE", 2)
    for number in range(3):
        wrote(ran(notebook, at=timezone.now() - timedelta(days=number)))
    sight = sight_of(company.owner, company.organization)

    pieces = list(usage_file.pieces(sight, timezone.now() - timedelta(days=7)))

    assert len(pieces) == 2
    assert len("".join(pieces).splitlines()) == 4
