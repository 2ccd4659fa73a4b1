"""Workers, queues, and what is stored."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.console import estate
from apps.inference import heartbeat
from apps.inference.models import RunStatus, StepRun
from apps.notebooks.models import Notebook
from apps.organizations.models import Role
from tests import factories
from tests.console.history import ran, wrote
from tests.factories import Company

URL = "/o/alder/console/machines/"


@pytest.fixture
def notebook(company: Company) -> Notebook:
    return factories.notebook(company.launches, text="# Plan")


def test_what_is_stored_is_counted_in_bytes(company: Company, notebook: Notebook) -> None:
    made = wrote(ran(notebook))
    type(made).objects.update(text="Grüße")

    stored = {one.label: (one.rows, one.size_bytes) for one in estate.stored(company.organization)}

    assert stored["Documents"] == (1, None)
    assert stored["Texts of models"] == (1, len("Grüße".encode()))
    assert stored["Updates"][1] > 0
    assert stored["Pictures"] == (0, 0)
    assert estate.database_bytes() > 0


def test_another_organization_s_things_are_not_counted(notebook: Notebook) -> None:
    other = factories.company("Elsewhere")

    assert all(one.rows == 0 for one in estate.stored(other.organization))


def test_who_holds_cells_is_listed_and_who_fell_silent_is_said(notebook: Notebook) -> None:
    now = timezone.now()
    ran(notebook, status=RunStatus.RUNNING)
    late = ran(notebook, status=RunStatus.RUNNING)
    StepRun.objects.filter(run=late).update(
        lease_owner="other:9:stage", heartbeat_at=now - timedelta(minutes=5)
    )

    found = {one.name: (one.stages, one.steps, one.is_quiet) for one in estate.workers(now, [])}

    assert found == {"machine:7": (1, 1, False), "other:9": (1, 1, True)}


def test_a_worker_without_work_is_listed_by_its_own_word(notebook: Notebook) -> None:
    ran(notebook, status=RunStatus.RUNNING)
    heartbeat.publish(pools=["inference"])

    found = {one.name: (one.pools, one.steps) for one in estate.workers(timezone.now(), heard())}

    assert found == {"machine:7": ((), 1), heartbeat.this_worker(): (("inference",), 0)}


def heard() -> list[heartbeat.Beat]:
    return heartbeat.beats()


def test_the_page_says_how_the_engines_stand(
    company: Company, signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(factories.member(company.organization, Role.ADMIN))
    assert "Prompts known" not in client.get(URL).text
    numbers = {
        "running": 3,
        "kv_blocks_used": 5,
        "kv_blocks_total": 20,
        "prefix_hit_tokens": 30,
        "prefix_query_tokens": 40,
        "generated_tokens": 12345,
        "last_step_s": 0.25,
    }
    heartbeat.publish(
        pools=["inference"], engines={"starter": numbers, "stuck one": {"stuck": 1.0}}
    )

    page = client.get(URL).text

    for words in ("starter", "25 %", "75 %", "12,345", "0.25 s", "Stuck: restart this worker"):
        assert words in page
    [first, second] = estate.engines(heard())
    assert (first.is_stuck, second.is_stuck) == (False, True)
    assert (second.blocks_percent, second.known_percent) == (None, None)


def test_queues_tell_what_waits_and_what_is_held(notebook: Notebook) -> None:
    ran(notebook, status=RunStatus.RUNNING)
    waiting = ran(notebook, status=RunStatus.RUNNING)
    StepRun.objects.filter(run=waiting).update(status="queued", lease_owner="", lease_until=None)

    [pool] = estate.pools()

    assert (pool.name, pool.waiting, pool.held) == ("inference", 1, 1)
    assert pool.oldest_at is not None


def test_the_page_says_all_that(
    company: Company, notebook: Notebook, signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(factories.member(company.organization, Role.AUDITOR))

    empty = client.get(URL).text
    ran(notebook, status=RunStatus.RUNNING)
    full = client.get(URL).text

    assert "No worker is there" in empty
    assert "machine:7" in full
    assert "Snapshots" in full
