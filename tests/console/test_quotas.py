"""The page "Limits": set, raised, removed; what is used and who waits."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.inference import quotas
from apps.inference.models import Quota, RunStatus
from apps.organizations.models import AuditEvent, Role
from tests import factories
from tests.console.history import ran, wrote
from tests.factories import Company

SignedIn = Callable[[User], Client]
URL = "/o/alder/console/quotas/"


@pytest.fixture
def admin(company: Company, signed_in: SignedIn) -> Client:
    return signed_in(factories.member(company.organization, Role.ADMIN))


def test_before_the_first_limit_the_page_teaches(admin: Client) -> None:
    assert "No limit is set" in admin.get(URL).text


def test_limits_are_set_raised_and_removed(admin: Client, company: Company) -> None:
    person = factories.member(company.launches)
    for whom in ("organization", f"division:{company.brand.pk}", f"person:{person.pk}"):
        assert admin.post(f"{URL}set/", {"whom": whom, "tokens_per_day": 500}).status_code == 302

    assert {(one.division, one.user) for one in Quota.objects.all()} == {
        (None, None),
        (company.brand, None),
        (None, person),
    }
    admin.post(f"{URL}set/", {"whom": "organization", "tokens_per_day": 900})
    whole = Quota.objects.get(division=None, user=None)
    assert whole.tokens_per_day == 900
    admin.post(f"{URL}{whole.pk}/remove/")
    assert not Quota.objects.filter(pk=whole.pk).exists()
    assert AuditEvent.objects.filter(verb="quota.changed").count() == 5


@pytest.mark.parametrize(
    "data",
    [
        {"whom": "organization", "tokens_per_day": "0"},
        {"whom": "organization", "tokens_per_day": ""},
        {"whom": "organization", "tokens_per_day": "many"},
        {"whom": "person:0", "tokens_per_day": "5"},
    ],
)
def test_what_is_no_limit_is_said_at_its_field(admin: Client, data: dict[str, str]) -> None:
    answer = admin.post(f"{URL}set/", data)

    assert answer.status_code == 422
    assert "errorlist" in answer.text
    assert not Quota.objects.exists()


def test_a_stranger_cannot_be_limited_nor_another_organization_s_limit_removed(
    admin: Client,
) -> None:
    other = factories.company("Elsewhere")
    theirs = quotas.set_quota(organization=other.organization, by=other.owner, tokens_per_day=5)
    assert theirs is not None

    answer = admin.post(f"{URL}set/", {"whom": f"person:{other.owner.pk}", "tokens_per_day": 5})

    assert answer.status_code == 422
    assert admin.post(f"{URL}{theirs.pk}/remove/").status_code == 404
    assert Quota.objects.filter(pk=theirs.pk).exists()


@pytest.mark.parametrize(
    ("limit", "words"),
    [(1000, "Within the limit"), (110, "Nearly used up"), (100, "Used up until midnight UTC")],
)
def test_today_s_use_is_a_bar_with_words(
    admin: Client, company: Company, limit: int, words: str
) -> None:
    quotas.set_quota(
        organization=company.organization,
        by=company.owner,
        tokens_per_day=limit,
        division=company.brand,
    )
    notebook = factories.notebook(company.launches)
    wrote(ran(notebook), tokens=100)
    ran(notebook, status=RunStatus.QUEUED)
    ran(factories.notebook(company.shops), status=RunStatus.QUEUED)

    page = admin.get(URL).text

    assert words in page
    assert f"100 of {limit:,} tokens" in page
    assert ("1 update waits because of it" in page) is (limit == 100)


def test_an_auditor_sees_limits_and_sets_none(company: Company, signed_in: SignedIn) -> None:
    auditor = signed_in(factories.member(company.organization, Role.AUDITOR))
    made = quotas.set_quota(organization=company.organization, by=company.owner, tokens_per_day=500)
    assert made is not None

    page = auditor.get(URL).text

    assert "500" in page
    assert "Set a limit" not in page
    data = {"whom": "organization", "tokens_per_day": 9}
    assert auditor.post(f"{URL}set/", data).status_code == 404
    assert auditor.post(f"{URL}{made.pk}/remove/").status_code == 404


def test_limits_stand_the_widest_first(admin: Client, company: Company) -> None:
    person = factories.member(company.launches)
    for place in ({"user": person}, {"division": company.brand}, {}):
        quotas.set_quota(
            organization=company.organization, by=company.owner, tokens_per_day=500, **place
        )

    kinds = [row.kind for row in admin.get(URL).context["rows"]]

    assert kinds == ["Everybody together", "Division", "Person"]
