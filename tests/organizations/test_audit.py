"""The audit log: what is recorded, who reads it, filters, pages, export."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.utils import timezone

from apps.organizations import audit, audit_log
from apps.organizations.audit_log import AuditFilter
from apps.organizations.middleware import AuditOriginMiddleware
from apps.organizations.models import AuditEvent, Role
from tests import factories
from tests.factories import Company
from tests.organizations.fixtures import SignedIn

URL = "/o/alder/audit/"


def _record(company: Company, **fields: Any) -> AuditEvent:
    defaults = {"verb": "test.done", "actor": company.owner, "organization": company.organization}
    return audit.record(**{**defaults, **fields})


def _read(company: Company, user: Any = None, **wanted: Any) -> list[AuditEvent]:
    events = audit_log.readable_events(user or company.owner, company.organization)
    return list(audit_log.matching(events, AuditFilter(**wanted)))


def test_an_event_says_who_what_when_and_from_where(company: Company) -> None:
    token = audit.origin.set(audit.Origin(ip="192.0.2.7", user_agent="Browser"))
    event = _record(company, target=company.launches, data={"n": 1})
    audit.origin.reset(token)
    assert event.actor_label == f"{company.owner.name} <{company.owner.email}>"
    assert (event.ip, event.user_agent) == ("192.0.2.7", "Browser")
    assert (event.target_type, event.target_label) == ("organizations.workspace", "Launches")
    assert event.division_id == company.brand.pk


def test_an_event_of_nobody_is_inferencecloud_s_own(company: Company) -> None:
    assert _record(company, actor=None).actor_label == "InferenceCloud"


def test_a_request_lends_its_address_to_what_it_causes(
    company: Company, signed_in: SignedIn
) -> None:
    signed_in(company.owner).post(
        "/o/alder/settings/",
        {"name": "Finch"},
        REMOTE_ADDR="192.0.2.9",
        headers={"User-Agent": "Tester"},
    )
    event = AuditEvent.objects.get(verb="organization.renamed")
    assert (event.ip, event.user_agent) == ("192.0.2.9", "Tester")
    assert audit.origin.get() == audit.Origin()


@pytest.mark.parametrize(
    ("given", "kept"),
    [("2001:db8::1", "2001:db8::1"), ("unknown", None), ("", None), ("1.2.3.4, 5.6.7.8", None)],
)
def test_what_is_no_address_is_not_kept_as_one(
    rf: RequestFactory, given: str, kept: str | None
) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(audit.origin.get().ip))

    answer = AuditOriginMiddleware(view)(rf.get("/", REMOTE_ADDR=given))
    assert answer.text == str(kept)


def test_a_lead_reads_the_events_of_the_divisions_led(company: Company) -> None:
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    book = factories.notebook(company.launches, by=lead)
    inside = _record(company, target=book)
    _record(company, target=company.shops)
    _record(company, target=company.organization)
    assert inside in _read(company, lead)
    assert {event.division_id for event in _read(company, lead)} == {company.brand.pk}


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_administrators_and_auditors_read_all(company: Company, role: Role) -> None:
    reader = factories.member(company.organization, role)
    assert len(_read(company, reader)) == AuditEvent.objects.count() > 5


def test_another_company_s_log_is_another_log(company: Company) -> None:
    elsewhere = factories.company("Elsewhere")
    assert not [e for e in _read(company) if e.organization == elsewhere.organization]


def test_the_filters_find_by_person_verb_day_and_target(company: Company) -> None:
    old = _record(company, verb="test.old", actor=None, target=company.shops)
    AuditEvent.objects.filter(pk=old.pk).update(at=datetime(2025, 3, 1, 23, 59, tzinfo=UTC))
    day = datetime(2025, 3, 1, tzinfo=UTC).date()
    assert _read(company, verb="test.old") == [old]
    assert old not in _read(company, actor=str(company.owner.pk))
    assert _read(company, until=day) == [old]
    assert _read(company, since=day, until=day) == [old]
    assert old not in _read(company, since=day + timedelta(days=1))
    assert old in _read(company, target="shop")
    assert old in _read(company, target=str(company.shops.pk))


def test_pages_by_key_neither_skip_nor_repeat_while_events_arrive(company: Company) -> None:
    moment = timezone.now()
    made = [_record(company) for _ in range(7)]
    AuditEvent.objects.filter(pk__in=[e.pk for e in made[:4]]).update(at=moment)  # all at once
    events = audit_log.readable_events(company.owner, company.organization)
    expected = list(events.order_by("-at", "-id"))
    seen, before = [], ""
    while True:
        page = audit_log.page_of(events, before, size=3)
        seen += page.events
        _record(company)  # newer than every page still to come
        before = page.next_before
        if not before:
            break
    assert seen == expected


@pytest.mark.parametrize(
    "before", ["", "nonsense", "2025-01-01T00:00:00_x", "2025-01-01T00:00:00_" + "0" * 32]
)
def test_an_unreadable_key_begins_at_the_top(company: Company, before: str) -> None:
    events = audit_log.readable_events(company.owner, company.organization)
    assert audit_log.page_of(events, before).events[0] == events.first()


def test_the_page_shows_words_and_pages(company: Company, signed_in: SignedIn) -> None:
    for _ in range(60):
        _record(company, verb="division.renamed", data={"before": "A", "after": "B"})
    client = signed_in(company.owner)
    page = client.get(URL)
    assert "renamed a division" in page.text
    assert "before: A; after: B" in page.text
    older = page.context["page"].next_before
    answer = client.get(URL, {"before": older})
    assert "created the organization" in answer.text
    assert "Newest" in answer.text
    assert "Nothing was done that fits" in client.get(URL, {"target": "no such thing"}).text
    fragment = client.get(URL, headers={"HX-Request": "true"}).text
    assert fragment.strip().startswith('<div id="audit-list">')


def test_a_filter_that_makes_no_sense_is_ignored(company: Company, signed_in: SignedIn) -> None:
    answer = signed_in(company.owner).get(URL, {"actor": "x", "since": "yesterday"})
    assert "created the organization" in answer.text


@pytest.mark.django_db(transaction=True)
async def test_the_export_streams_every_event_and_is_itself_one(
    async_client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asgiref.sync import sync_to_async

    company = await sync_to_async(factories.company)()
    monkeypatch.setattr("apps.organizations.views.audit.EXPORT_ROWS", 2)
    await sync_to_async(_record)(company, data={"formula": "=1+1"})
    await async_client.aforce_login(
        company.owner, backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    answer = await async_client.post(f"{URL}export/", {"target": "Launches"})
    assert answer.streaming
    assert "alder-audit-" in answer["Content-Disposition"]
    text = "".join([part.decode() async for part in answer.streaming_content])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["verb"], row["target"]) for row in rows] == [("workspace.created", "Launches")]
    exported = await AuditEvent.objects.aget(verb="audit.exported")
    assert exported.data == {"target": "Launches"}
    answer = await async_client.post(f"{URL}export/", {})
    text = "".join([part.decode() async for part in answer.streaming_content])
    assert len(list(csv.DictReader(io.StringIO(text)))) == await AuditEvent.objects.acount()


def test_a_spreadsheet_takes_no_cell_for_a_formula(company: Company) -> None:
    event = _record(company, target=None, data={})
    for begin in "=+-@\t\r":
        event.target_label = f"{begin}HYPERLINK()"
        assert audit_log.csv_row(event)[5] == f"'{begin}HYPERLINK()"


def test_exporting_needs_a_post(company: Company, client: Client, signed_in: SignedIn) -> None:
    assert signed_in(company.owner).get(f"{URL}export/").status_code == 405


def test_a_verb_without_words_is_shown_as_it_is_written() -> None:
    assert audit_log.words_for("rocket.launched") == "rocket.launched"
    assert audit_log.words_for("notebook.created") == "created a notebook"


VERB = re.compile(r"(?:verb=|_record\([^\"]*)f?\"([a-z_]+\.[a-z_]+)\"")


def test_every_verb_that_is_recorded_has_words() -> None:
    recorded = {
        verb for file in Path("apps").rglob("*.py") for verb in VERB.findall(file.read_text())
    }
    assert len(recorded) > 30
    assert recorded - set(audit_log.WORDS) == set()
