"""The edges of reading the log: the ends of time, and data that is no plain value."""

from datetime import date

import pytest

from apps.organizations import audit, audit_log
from apps.organizations.audit_log import AuditFilter
from apps.organizations.models import AuditEvent
from tests.factories import Company
from tests.organizations.fixtures import SignedIn

URL = "/o/alder/audit/"
KEY = "0" * 32


@pytest.fixture
def event(company: Company) -> AuditEvent:
    return audit.record(
        verb="operator.changed",
        actor=None,
        organization=company.organization,
        target=company.brand,
        data={"fields": ["name", "parent"], "note": "", "count": 0, "gone": None},
    )


def test_a_list_among_the_data_is_told_and_nothing_is_not(event: AuditEvent) -> None:
    assert audit_log.details(event) == "count: 0; fields: name, parent"


def test_data_has_an_order_whatever_the_database_makes_of_it() -> None:
    event = AuditEvent(data={"name": "x", "after": "B", "before": "A", "at": 1})
    assert audit_log.details(event) == "at: 1; before: A; after: B; name: x"


def test_the_page_shows_what_an_operator_changed(
    company: Company, signed_in: SignedIn, event: AuditEvent
) -> None:
    assert "fields: name, parent" in signed_in(company.owner).get(URL).text


@pytest.mark.parametrize("day", [date.min, date.max])
def test_a_filter_may_name_the_first_and_the_last_day_there_are(
    company: Company, signed_in: SignedIn, event: AuditEvent, day: date
) -> None:
    answer = signed_in(company.owner).get(URL, {"since": date.min, "until": day})
    assert answer.status_code == 200
    found = audit_log.matching(AuditEvent.objects.all(), AuditFilter(until=day))
    assert (event in found) is (day == date.max)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_key_beyond_the_ends_of_time_begins_at_the_top(
    company: Company, event: AuditEvent, at: str
) -> None:
    page = audit_log.page_of(AuditEvent.objects.all(), f"{at}_{KEY}")
    assert event in page.events
