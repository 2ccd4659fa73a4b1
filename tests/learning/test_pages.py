"""The page "Learning": who sees what, what it says of an output, filters, pages, and how little it asks."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.inference.models import Output
from apps.learning import listing
from apps.learning.listing import Wanted
from apps.learning.models import EditRecord, Feedback
from apps.learning.services import consent, erasure
from apps.learning.sight import sight_of
from apps.organizations.models import Role
from apps.organizations.services import structure
from tests import factories
from tests.factories import Company
from tests.learning.stories import DRAFT, EDITED, said, settled, wrote

URL = "/o/alder/learning/"
Kind = Feedback.Kind
SignedIn = Callable[[User], Client]
QUERIES_LIMIT = 30  # with session, rail and consent; not one more for more rows


@pytest.fixture
def steward(company: Company) -> User:
    return factories.member(company.organization, Role.STEWARD)


@pytest.fixture
def writer(company: Company) -> User:
    return factories.member(company.launches)


@pytest.fixture
def reader(signed_in: SignedIn, steward: User) -> Client:
    return signed_in(steward)


def listed(client: Client, **wanted: object) -> list[str]:
    """Return the ids of the outputs on the page, in order."""
    answer = client.get(URL, wanted)
    assert answer.status_code == 200
    return re.findall(r'id="output-([0-9a-f-]+)"', answer.text)


def ids(*outputs: Output) -> list[str]:
    return [str(one.pk) for one in outputs]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


# --- who sees what -----------------------------------------------------------------------------------


def test_a_steward_sees_everything_and_a_lead_what_settled_in_their_divisions(
    company: Company, signed_in: SignedIn, reader: Client, writer: User
) -> None:
    below = structure.add_division(
        organization=company.organization, parent=company.brand, name="Labels", by=company.owner
    )
    tags = structure.add_workspace(division=below, name="Tags", by=company.owner)
    ours, theirs, deep = wrote(company.launches), wrote(company.shops), wrote(tags)
    for made, place in ((ours, company.launches), (theirs, company.shops), (deep, tags)):
        settled(made, place, EDITED, writer)
    waiting = wrote(company.launches)
    lead = signed_in(factories.member(company.brand, Role.DIVISION_LEAD))
    assert listed(reader) == ids(waiting, deep, theirs, ours)
    assert listed(lead) == ids(deep, ours)
    assert listed(lead, settle="open") == []
    assert listed(lead, division=company.retail.pk) == ids(deep, ours)  # no choice of theirs
    for made, status in ((ours, 200), (deep, 200), (theirs, 404), (waiting, 404)):
        assert lead.get(f"{URL}outputs/{made.pk}/").status_code == status


def test_a_text_that_settled_in_two_divisions_shows_each_lead_their_own_end(
    company: Company, signed_in: SignedIn, writer: User
) -> None:
    made = wrote(company.launches)
    settled(made, company.launches, "Ours in the end", writer)
    settled(made, company.shops, "Theirs in the end", writer, settle="downloaded")
    lead = signed_in(factories.member(company.retail, Role.DIVISION_LEAD))
    for address in (URL, f"{URL}outputs/{made.pk}/"):
        page = words(lead.get(address).text)
        assert "Theirs" in page
        assert "Ours" not in page


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.AUDITOR, Role.EDITOR, Role.GUEST])
def test_nobody_else_finds_the_page(company: Company, signed_in: SignedIn, role: str) -> None:
    client = signed_in(factories.member(company.organization, role))
    assert client.get(URL).status_code == 404
    assert URL not in client.get("/o/alder/notebooks/").text


def test_the_rail_leads_there(company: Company, signed_in: SignedIn, reader: Client) -> None:
    lead = signed_in(factories.member(company.brand, Role.DIVISION_LEAD))
    for client in (reader, lead):
        assert f'href="{URL}"' in client.get(URL).text


def test_a_lead_is_offered_no_download(
    company: Company, signed_in: SignedIn, reader: Client
) -> None:
    lead = signed_in(factories.member(company.brand, Role.DIVISION_LEAD))
    assert "download-form" in reader.get(URL).text
    assert "download-form" not in lead.get(URL).text


# --- what it says ------------------------------------------------------------------------------------


def test_a_row_tells_what_became_of_the_text(
    company: Company, reader: Client, writer: User
) -> None:
    made = wrote(company.launches)
    record = settled(made, company.launches, EDITED, writer)
    said(made, writer, Kind.THUMBS_DOWN, reasons=["voice", "length"])
    page = reader.get(URL).text
    assert "<del>utilize</del><ins>use</ins>" in page or "<ins>" in page
    told = words(page)
    for part in (
        "tagline",
        "Launch",
        "Released",
        f"Kept {round(100 * record.kept_ratio)} %",
        "Writer wrote it",
        f"edited by {writer}",
        "Not our voice, Too long or too short",
        "May be learned from",
    ):
        assert part in told, part


def test_the_sums_count_outputs_settled_ones_and_what_was_kept(
    company: Company, reader: Client, writer: User
) -> None:
    made = wrote(company.launches, "x" * 100)
    settled(made, company.launches, "x" * 10, writer, settle="idle")
    settled(made, company.launches, "x" * 80, writer)  # the newest end counts
    wrote(company.launches)
    told = words(reader.get(URL).text)
    assert "Outputs 2 Settled 1 Kept of the drafts 80 %" in told
    told = words(reader.get(URL, {"settle": "open"}).text)
    assert "Outputs 1 Settled 0 Kept of the drafts \u2013 " in told


@pytest.mark.parametrize(
    ("finish", "text", "why"),
    [
        ("length", DRAFT, "The model was cut off before its end"),
        ("stop", "", "There is no text"),
    ],
)
def test_why_a_text_teaches_nothing_is_said(
    company: Company, reader: Client, writer: User, finish: str, text: str, why: str
) -> None:
    settled(wrote(company.launches, text, finish=finish), company.launches, EDITED, writer)
    assert f"Not learned from. {why}." in words(reader.get(URL).text)


def test_consent_is_told_without_a_name(company: Company, reader: Client, writer: User) -> None:
    made = wrote(company.launches)
    record = settled(made, company.launches, EDITED, writer)
    assert "May be learned from" in words(reader.get(f"{URL}outputs/{made.pk}/").text)
    consent.switch_person(user=writer, learn=False)
    assert "Somebody whose words are in it does not want that" in words(reader.get(URL).text)
    consent.switch_person(user=writer, learn=True)
    consent.switch_notebook(
        notebook_id=record.notebook_id,
        organization=company.organization,
        by=company.owner,
        learn=False,
        about=record,
    )
    assert "The notebook is not to be learned from" in words(reader.get(URL).text)


def test_what_has_not_settled_says_so(company: Company, reader: Client) -> None:
    made = wrote(company.launches)
    for address in (URL, f"{URL}outputs/{made.pk}/"):
        told = words(reader.get(address).text)
        assert "Not settled yet" in told
        assert "Not yet: nothing has settled" in told


def test_an_erased_text_leaves_its_trace_and_nothing_else(
    company: Company, reader: Client, writer: User
) -> None:
    made = wrote(company.launches)
    erasure.forget_record(settled(made, company.launches, "A secret", writer))
    for address in (URL, f"{URL}outputs/{made.pk}/"):
        told = words(reader.get(address).text)
        assert "A secret" not in told
        assert "The text was erased" in told


def test_long_texts_are_compared_on_their_own_page(
    company: Company, reader: Client, writer: User
) -> None:
    long = " ".join(f"word{number}" for number in range(300))
    made = wrote(company.launches, long)
    settled(made, company.launches, f"{long} and more", writer)
    page = reader.get(URL).text
    assert "Long texts are compared on their own page" in page
    assert "<ins>" not in page
    assert "<ins> and more</ins>" in reader.get(f"{URL}outputs/{made.pk}/").text


def test_markup_in_a_text_is_text(company: Company, reader: Client, writer: User) -> None:
    made = wrote(company.launches, "<script>alert(1)</script> and more of it, to be compared.")
    settled(made, company.launches, "<b>bold</b>", writer)
    for address in (URL, f"{URL}outputs/{made.pk}/"):
        page = reader.get(address).text
        assert "<script>alert" not in page
        assert "<b>bold" not in page


def test_the_detail_leads_from_the_text_to_its_sources_and_editors(
    company: Company, reader: Client, writer: User
) -> None:
    source = wrote(company.newsroom, "The message", brief="Facts")
    settled(source, company.newsroom, "The message", writer)
    made = wrote(company.launches, source=source, brief="The message")
    settled(made, company.launches, EDITED, writer)
    page = reader.get(f"{URL}outputs/{made.pk}/").text
    told = words(page)
    assert f"/learning/outputs/{source.pk}/" in page
    assert 'title="tagline">The message</span>' in page
    assert "You are the writer." in told
    assert str(made.model_version) in told
    assert str(made.step_run.run_id) in told
    assert f"Editors {writer}" in told


def test_a_source_that_no_record_names_is_named_by_its_step_or_its_writers(
    company: Company, reader: Client
) -> None:
    by_model = wrote(company.launches, "The message")
    of_model = reader.get(
        f"{URL}outputs/{wrote(company.launches, source=by_model, brief='The message').pk}/"
    )
    assert f'href="{URL}outputs/{by_model.pk}/">tagline</a>' in of_model.text
    by_people = reader.get(f"{URL}outputs/{by_model.pk}/")
    assert "Sources a text that people wrote" in words(by_people.text)


def test_an_empty_page_teaches(reader: Client) -> None:
    page = reader.get(URL).text
    assert "Nothing to learn from yet" in page
    assert "Nobody has to label anything" in page
    assert "Nothing fits" in reader.get(URL, {"q": "nowhere"}).text


# --- filters, pages, fragments -----------------------------------------------------------------------


def test_filters_narrow_the_list(company: Company, reader: Client, writer: User) -> None:
    edited, kept = wrote(company.launches), wrote(company.shops, "Kept as it was, every word.")
    waiting = wrote(company.launches, "Waiting for an end")
    settled(edited, company.launches, EDITED, writer)
    settled(kept, company.shops, kept.text, writer, settle="downloaded")
    said(edited, writer, Kind.THUMBS_DOWN)
    said(waiting, writer, Kind.THUMBS_UP)
    Output.objects.filter(pk=kept.pk).update(created_at=timezone.now() - timedelta(days=9))
    week = (timezone.now() - timedelta(days=7)).date()
    for wanted, expected in (
        ({"division": company.brand.pk}, [edited]),
        ({"workspace": company.shops.pk}, [kept]),
        ({"settle": "downloaded"}, [kept]),
        ({"settle": "open"}, [waiting]),
        ({"thumbs": "up"}, [waiting]),
        ({"thumbs": "down"}, [edited]),
        ({"kept_from": 100}, [kept]),
        ({"kept_until": 99}, [edited]),
        ({"kept_from": 1, "kept_until": 99}, [edited]),
        ({"since": week}, [waiting, edited]),
        ({"until": week}, [kept]),
        ({"q": "every word"}, [kept]),
        ({"q": "slowly"}, [edited]),
        ({"q": "LAUNCH"}, [edited, kept]),
        ({"learnable": "yes"}, [edited, kept]),
        ({"learnable": "no"}, [waiting]),
        ({"settle": "downloaded", "division": company.brand.pk}, []),
        ({"settle": "nonsense", "since": "yesterday", "kept_from": "x"}, [waiting, edited, kept]),
    ):
        assert listed(reader, **wanted) == ids(*expected), wanted


def test_pages_neither_skip_nor_repeat(company: Company, reader: Client) -> None:
    made = [wrote(company.launches, f"{DRAFT} {number}") for number in range(60)]
    Output.objects.update(created_at=timezone.now())  # one moment: the id decides
    found, before = [], ""
    for _page in range(5):
        answer = reader.get(URL, {"before": before} if before else {})
        found += re.findall(r'id="output-([0-9a-f-]+)"', answer.text)
        wrote(company.newsroom)  # what arrives meanwhile moves nothing
        more = re.search(r"before=([^\"&]+)", answer.text)
        if more is None:
            break
        before = more[1].replace("%3A", ":").replace("%2B", "+")
    assert found == ids(*sorted(made, key=lambda one: one.pk, reverse=True))


@pytest.mark.parametrize(
    "before", ["nonsense", "2026-01-01T00:00:00_x", "0001-01-01T00:00:00+14:00_0"]
)
def test_an_unreadable_key_begins_at_the_top(company: Company, reader: Client, before: str) -> None:
    made = wrote(company.launches)
    assert listed(reader, before=before) == ids(made)


def test_what_may_be_learned_from_is_looked_for_some_pages_far(
    company: Company, reader: Client, writer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCAN_LIMIT", 50)
    old = wrote(company.launches)
    settled(old, company.launches, EDITED, writer)
    for number in range(60):
        wrote(company.launches, f"{DRAFT} {number}")
    answer = reader.get(URL, {"learnable": "yes"})
    assert "Nothing among the newest" in answer.text
    before = re.search(r"before=([^\"&]+)", answer.text)
    assert before
    key = before[1].replace("%3A", ":").replace("%2B", "+")
    assert listed(reader, learnable="yes", before=key) == ids(old)


def test_htmx_gets_the_list_or_only_more_rows(company: Company, reader: Client) -> None:
    for number in range(30):
        wrote(company.launches, f"{DRAFT} {number}")
    whole = reader.get(URL, headers={"HX-Request": "true", "HX-Target": "learning"}).text
    assert "<html" not in whole
    assert "Kept of the drafts" in whole
    more = reader.get(URL, headers={"HX-Request": "true", "HX-Target": "more"}).text
    assert "Kept of the drafts" not in more
    assert more.count('<li id="output-') == 25


def test_the_filter_goes_along_with_the_download(company: Company, reader: Client) -> None:
    page = reader.get(URL, {"settle": "released", "q": "oats"}).text
    hidden = re.findall(r'form="download-form"\s+name="(\w+)"\s+value="(\w+)"', page)
    assert dict(hidden) == {"settle": "released", "q": "oats"}


# --- how little it asks ------------------------------------------------------------------------------


def test_a_page_asks_no_more_for_more_rows(company: Company, reader: Client, writer: User) -> None:
    def counted() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert reader.get(URL).status_code == 200
        return len(asked)

    def add(number: int) -> None:
        made = wrote(company.launches, f"{DRAFT} {number}")
        if number % 3:
            settled(made, company.launches, f"{EDITED} {number}", writer)
        said(made, writer, Kind.THUMBS_DOWN)

    consent.switch_person(user=factories.person(), learn=False)
    for number in range(4):
        add(number)
    _, few = counted(), counted()  # the first visit also keeps the session
    for number in range(40):
        add(100 + number)
    assert counted() == few <= QUERIES_LIMIT


def test_counting_ends_somewhere(
    company: Company, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNT_LIMIT", 3)
    for number in range(5):
        wrote(company.launches, f"{DRAFT} {number}")
    assert "Outputs over 3" in words(reader.get(URL).text)
    whole = sight_of(factories.member(company.organization, Role.STEWARD), company.organization)
    with CaptureQueriesContext(connection) as asked:
        listing.summary_of(whole, Wanted())
    assert all("LIMIT" in one["sql"] for one in asked if "COUNT" in one["sql"])


def test_records_are_never_shown_twice_for_one_output(
    company: Company, reader: Client, writer: User
) -> None:
    made = wrote(company.launches)
    settled(made, company.launches, EDITED, writer, settle="idle")
    settled(made, company.launches, f"{EDITED} Again.", writer)
    assert EditRecord.objects.count() == 2
    assert listed(reader) == ids(made)
    assert "Released" in words(reader.get(URL).text)
