"""What Prometheus is told, and who is told."""

import dataclasses
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from redis import RedisError

from apps.console import metrics
from apps.console.metrics import ENGINE
from apps.inference import heartbeat
from apps.inference.models import Delivery, OutboxRow, RunStatus, StepRun
from apps.notebooks.models import Cell
from inferencecloud.engine.metrics import EngineMetrics
from tests import factories
from tests.console.history import ran, wrote
from tests.factories import Company

TOKEN = "only-for-this-test-0123456789-abcdef"
TOLD = {"Authorization": f"Bearer {TOKEN}"}
ROW = re.compile(r"^\| `([a-z0-9_]+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def watched(settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN


def figures(client: Client) -> dict[tuple[str, str], float]:
    """Return every sample by its name and the values of its labels, by their names."""
    answer = client.get("/metrics", headers=TOLD)
    assert answer.status_code == 200
    return {
        (
            sample.name,
            ",".join(value for _name, value in sorted(sample.labels.items())),
        ): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_without_the_token_there_is_no_such_page(client: Client, settings: Any) -> None:
    nowhere = client.get("/nothing-here").status_code
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        assert client.get("/metrics", headers=headers).status_code == nowhere == 404
    settings.METRICS_TOKEN = ""
    for headers in ({}, TOLD, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
        assert client.get("/metrics", headers=headers).status_code == 404


def test_the_token_is_compared_in_constant_time(client: Client) -> None:
    with patch("apps.console.views.metrics.constant_time_compare", return_value=False) as compared:
        assert client.get("/metrics", headers=TOLD).status_code == 404
    compared.assert_called_once_with(TOKEN, TOKEN)


def test_the_document_lists_exactly_what_is_told(client: Client) -> None:
    heartbeat.publish(pools=["inference"], engines={"starter": {"running": 1}})
    answer = client.get("/metrics", headers=TOLD)
    told = {
        (family.name + "_total" if family.type == "counter" else family.name, family.type)
        for family in text_string_to_metric_families(answer.text)
        if not family.name.endswith("_created")
    }
    document = Path("docs/metrics.md").read_text()
    rows = ROW.findall(document)
    assert {(name, kind) for name, kind, _labels in rows} == told
    for name, _kind, labels in rows:
        known = {gauge.name: gauge.labels for gauge in metrics.GAUGES}
        if (short := name.removeprefix("inferencecloud_")) in known:
            assert re.findall(r"`(\w+)`", labels) == list(known[short]), name


def test_the_instance_s_figures_are_those_of_its_rows(client: Client, company: Company) -> None:
    notebook = factories.notebook(company.launches, text="# Plan")
    now = timezone.now()
    ran(notebook, status=RunStatus.RUNNING)
    ran(notebook, status=RunStatus.QUEUED, at=now - timedelta(seconds=90))
    ran(notebook, status=RunStatus.FAILED)
    wrote(ran(notebook), tokens=100, first_token_s=0.7)
    ran(notebook, at=now - timedelta(hours=1), status=RunStatus.FAILED)  # too long ago
    StepRun.objects.filter(run__status=RunStatus.RUNNING).update(
        status="queued", lease_owner="", lease_until=None
    )

    found = figures(client)

    assert found["inferencecloud_database_up", ""] == 1
    assert found["inferencecloud_steps", "inference,waiting"] == 1
    assert found["inferencecloud_steps", "inference,held"] == 0
    assert found["inferencecloud_runs", "queued"] == 1
    assert found["inferencecloud_runs", "running"] == 1
    assert found["inferencecloud_recent_runs", "failed"] == 1
    assert found["inferencecloud_run_error_ratio", ""] == 0.5
    assert 90 <= found["inferencecloud_oldest_waiting_run_seconds", ""] < 120
    assert found["inferencecloud_first_token_p95_seconds", ""] == 0.7
    assert found["inferencecloud_tokens_today", "written"] == 100
    assert found["inferencecloud_notebooks_live", ""] == 1
    assert ("inferencecloud_backup_age_seconds", "") not in found


def test_what_waits_to_be_told_or_settled_is_counted(client: Client, company: Company) -> None:
    notebook = factories.notebook(company.launches, text="# Plan")
    row = OutboxRow.objects.create(
        organization=company.organization,
        subject_kind="notebook",
        subject_id=str(notebook.pk),
        kind=OutboxRow.Kind.RUN_FINISHED,
        payload={},
        created_at=timezone.now() - timedelta(minutes=3),
    )
    Delivery.objects.create(row=row, consumer="notebooks")
    Delivery.objects.create(row=row, consumer="learning", given_up_at=timezone.now())
    Cell.objects.filter(notebook=notebook).delete()

    found = figures(client)

    assert found["inferencecloud_outbox_waiting", "notebooks"] == 1
    assert ("inferencecloud_outbox_waiting", "learning") not in found
    assert found["inferencecloud_outbox_given_up", ""] == 1
    assert 180 <= found["inferencecloud_outbox_oldest_seconds", ""] < 200
    assert found["inferencecloud_settle_waiting", ""] == 0


def test_a_worker_s_numbers_carry_its_name_and_the_model_s(client: Client) -> None:
    heartbeat.publish(
        pools=["inference"],
        engines={"starter": {"running": 3, "kv_blocks_used": 12, "last_step_s": 0.25, "new": 1}},
    )

    found = figures(client)

    name = heartbeat.this_worker()
    assert found["inferencecloud_worker_heard_seconds", name] < 5
    assert found["inferencecloud_engine_running", f"starter,{name}"] == 3
    assert found["inferencecloud_engine_kv_blocks_used", f"starter,{name}"] == 12
    assert found["inferencecloud_engine_last_step_seconds", f"starter,{name}"] == 0.25
    assert ("inferencecloud_engine_waiting", f"starter,{name}") not in found


def test_whatever_an_engine_counts_is_told() -> None:
    counted = {field.name for field in dataclasses.fields(EngineMetrics)}

    assert {figure.field for figure in ENGINE} == counted


def test_requests_are_counted_by_view_and_never_by_address(client: Client) -> None:
    before = figures(client).get(("inferencecloud_http_requests_total", "GET,200,health_live"), 0)
    client.get("/health/live/?who=somebody@example.com")
    client.get("/n/somebody@example.com/")
    client.generic("EVIL", "/health/live/")

    answer = client.get("/metrics", headers=TOLD)

    assert figures(client)["inferencecloud_http_requests_total", "GET,200,health_live"] == (
        before + 1
    )
    assert figures(client)["inferencecloud_http_request_seconds_count", "health_live"] >= 2
    assert "somebody" not in answer.text
    assert "EVIL" not in answer.text
    assert 'view="none",' in answer.text or 'view="none"' in answer.text


def test_asking_again_at_once_asks_the_database_nothing(client: Client, company: Company) -> None:
    ran(factories.notebook(company.launches))
    with CaptureQueriesContext(
        connection,
    ) as first:
        figures(client)
    with CaptureQueriesContext(connection) as again:
        figures(client)
    assert 0 < len(first) <= 20
    assert len(again) == 0


def test_the_number_of_queries_does_not_grow_with_what_there_is(
    client: Client, company: Company
) -> None:
    notebook = factories.notebook(company.launches)
    wrote(ran(notebook))
    with CaptureQueriesContext(connection) as few:
        figures(client)
    cache.clear()
    for _ in range(5):
        wrote(ran(notebook))
        ran(factories.notebook(company.shops), status=RunStatus.RUNNING)
    with CaptureQueriesContext(connection) as many:
        figures(client)
    assert len(many) == len(few)


def test_without_a_database_the_process_still_tells_of_itself(client: Client) -> None:
    with patch.object(connection, "cursor", side_effect=DatabaseError("gone")):
        found = figures(client)
    assert found["inferencecloud_database_up", ""] == 0
    assert ("inferencecloud_steps", "inference,waiting") not in found
    assert ("inferencecloud_sockets_open", "") in found


@pytest.mark.parametrize("refusal", [OSError("no route"), RedisError("no server")])
def test_without_a_cache_the_figures_are_read_all_the_same(
    client: Client, refusal: Exception
) -> None:
    with (
        patch.object(cache, "get", side_effect=refusal),
        patch.object(cache, "set", side_effect=refusal),
    ):
        found = figures(client)
    assert found["inferencecloud_database_up", ""] == 1
    assert not [name for name, _labels in found if "engine_running" in name]
