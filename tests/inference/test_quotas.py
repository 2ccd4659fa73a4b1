"""A day's tokens: counted as they are committed, and whoever comes later waits, sees why, and goes on."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.accounts.models import User
from apps.inference import admission, execution, quotas, reconciler, selectors, services
from apps.inference.models import Output, Quota, Run, RunStatus, Usage
from apps.inference.specs import Subject
from apps.organizations.models import AuditEvent, Division, Organization, Role
from tests import factories
from tests.factories import Company
from tests.inference.builders import chain, deployment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def here(company: Company) -> Company:
    deployment()
    return company


def begin(organization: Organization, by: User, division: Division | None, key: str) -> Run:
    return services.start_run(
        organization=organization,
        actor=by,
        subject=Subject(kind="thing", id=key),
        steps=chain(2),
        start=services.Start(idempotency_key=key, division=division),
    )


def write(run: Run) -> Run:
    """Do what a worker does until nothing of the run is left."""
    execution.run_stage(run_id=str(run.pk), pool="inference")
    run.refresh_from_db()
    return run


def limit(company: Company, tokens: int, **whom: object) -> Quota:
    quota = quotas.set_quota(
        organization=company.organization, by=company.owner, tokens_per_day=tokens, **whom
    )
    assert quota is not None
    return quota


def test_the_ledger_is_the_sum_of_the_outputs(here: Company) -> None:
    division = here.launches.division
    run = write(begin(here.organization, here.owner, division, "a"))
    assert run.status == RunStatus.SUCCEEDED
    outputs = Output.objects.filter(step_run__run=run)
    assert outputs.count() == Usage.objects.count() == 2
    for output in outputs:
        entry = Usage.objects.get(output=output)
        assert entry.prompt_tokens == output.prompt_tokens > 0
        assert entry.new_tokens == output.new_tokens > 0
        assert (entry.actor, entry.division) == (here.owner, division)


@pytest.mark.parametrize("whose", ["organization", "division", "division above", "person"])
def test_who_has_used_up_a_day_waits_and_is_told_why(here: Company, whose: str) -> None:
    below = Division.objects.create(
        organization=here.organization, parent=here.launches.division, name="Below", slug="below"
    )
    whom: dict[str, object] = {
        "organization": {},
        "division": {"division": below},
        "division above": {"division": here.launches.division},
        "person": {"user": here.owner},
    }[whose]
    limit(here, 1, **whom)
    assert write(begin(here.organization, here.owner, below, "a")).status == RunStatus.SUCCEEDED

    held = begin(here.organization, here.owner, below, "b")

    assert held.status == RunStatus.QUEUED
    assert selectors.queue_position(held) == 1
    assert "are used up (1)" in selectors.held_by(held)
    assert selectors.live_state(held.subject)[0]["held"] == selectors.held_by(held)


def test_others_pass_who_do_not_fall_under_the_quota(here: Company) -> None:
    colleague = factories.member(here.launches, Role.EDITOR)
    limit(here, 1, user=here.owner)
    write(begin(here.organization, here.owner, here.launches.division, "a"))
    held = begin(here.organization, here.owner, here.launches.division, "b")

    passing = begin(here.organization, colleague, here.launches.division, "c")

    assert (held.status, passing.status) == (RunStatus.QUEUED, RunStatus.RUNNING)
    assert selectors.held_by(passing) == ""


def test_a_run_that_waits_goes_on_when_the_quota_is_raised(here: Company) -> None:
    limit(here, 1)
    write(begin(here.organization, here.owner, None, "a"))
    held = begin(here.organization, here.owner, None, "b")
    assert admission.admit(organization_id=here.organization.pk, now=timezone.now()) == []

    limit(here, 10**9)
    reconciler.reconcile()

    assert write(held).status == RunStatus.SUCCEEDED


def test_a_run_that_waits_goes_on_the_next_day(here: Company) -> None:
    limit(here, 1)
    write(begin(here.organization, here.owner, None, "a"))
    held = begin(here.organization, here.owner, None, "b")
    midnight = quotas.tomorrow(timezone.now())

    assert admission.admit(organization_id=here.organization.pk, now=midnight) == [held]
    assert (
        admission.admit(organization_id=here.organization.pk, now=midnight - timedelta(seconds=1))
        == []
    )


def test_a_quota_that_is_taken_away_holds_nobody(here: Company) -> None:
    limit(here, 1)
    write(begin(here.organization, here.owner, None, "a"))

    none = quotas.set_quota(organization=here.organization, by=here.owner, tokens_per_day=None)

    assert none is None
    assert begin(here.organization, here.owner, None, "b").status == RunStatus.RUNNING


@pytest.mark.parametrize("tokens", [0, -5, 2**63])
def test_a_quota_is_a_positive_number(here: Company, tokens: int) -> None:
    with pytest.raises(quotas.QuotaOutOfRange, match=f"got {tokens}"):
        limit(here, tokens)


def test_admins_are_told_once_a_day(here: Company) -> None:
    admin = factories.member(here.organization, Role.ADMIN)
    limit(here, 1)
    write(begin(here.organization, here.owner, None, "a"))
    mail.outbox.clear()

    reconciler.reconcile()
    reconciler.reconcile()

    assert len(mail.outbox) == 1
    assert mail.outbox[0].to == sorted([here.owner.email, admin.email])
    page = f"http://127.0.0.1:8000/o/{here.organization.slug}/console/quotas/"
    assert page in mail.outbox[0].body
    event = AuditEvent.objects.get(verb="quota.used_up")
    assert event.data["tokens_per_day"] == 1
    assert event.data["spent"] == sum(
        one.prompt_tokens + one.new_tokens for one in Usage.objects.all()
    )


def test_a_change_of_a_quota_leaves_an_event(here: Company) -> None:
    limit(here, 500, division=here.launches.division)
    event = AuditEvent.objects.get(verb="quota.changed")
    assert (event.actor, event.data) == (here.owner, {"tokens_per_day": 500})
    assert event.division == here.launches.division


def test_the_operator_sets_and_takes_away_quotas(here: Company) -> None:
    slug, division = here.organization.slug, here.launches.division
    call_command("set_quota", slug, "--tokens", "100")
    call_command("set_quota", slug, "--tokens", "50", "--division", division.slug)
    call_command("set_quota", slug, "--tokens", "10", "--person", here.owner.email.upper())
    assert sorted(Quota.objects.values_list("tokens_per_day", "division", "user")) == [
        (10, None, here.owner.pk),
        (50, division.pk, None),
        (100, None, None),
    ]
    call_command("set_quota", slug, "--none")
    assert Quota.objects.count() == 2


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (["nobody", "--tokens", "1"], "wanted an organization"),
        (["{}", "--tokens", "1", "--division", "none"], "wanted a division"),
        (["{}", "--tokens", "1", "--person", "x@example.com"], "wanted a member"),
        (["{}", "--tokens", "-1"], "above 0"),
    ],
)
def test_a_quota_of_nobody_or_of_nothing_is_refused(
    here: Company, words: list[str], refusal: str
) -> None:
    with pytest.raises(CommandError, match=refusal):
        call_command("set_quota", *[word.format(here.organization.slug) for word in words])
