"""The console and /metrics read along indexes, not through all that ever ran."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, QuerySet
from django.utils import timezone

from apps.inference.models import Delivery, Output, Run, RunStatus, StepRun, StepStatus, Usage
from apps.organizations.models import Organization
from tests.factories import Company

pytestmark = pytest.mark.django_db


def plan_of(rows: QuerySet[Any, Any]) -> str:
    """Return how the database would read the rows, were there many."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # an empty table is read whole unless that is forbidden
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    return rows.explain()


def lately(organization: Organization) -> dict[str, tuple[QuerySet[Any, Any], set[str]]]:
    """Return what is asked, and by which indexes it may be answered."""
    since = timezone.now() - timedelta(minutes=10)
    runs = Run.objects.filter(organization=organization)
    newest = ("-created_at", "-pk")
    return {
        "the list of runs": (runs.order_by(*newest)[:26], {"run_by_time"}),
        "the list of runs in one state": (
            runs.filter(status=RunStatus.FAILED).order_by(*newest)[:26],
            {"run_by_state"},
        ),
        "how the last runs ended": (
            Run.objects.filter(created_at__gte=since)
            .order_by()
            .values("status")
            .annotate(count=Count("pk")),
            {"run_lately"},
        ),
        "what goes on": (
            Run.objects.going_on().filter(organization=organization),
            {"run_going_on", "run_by_state"},
        ),
        "how fast texts began": (
            Output.objects.filter(created_at__gte=since).order_by("-created_at")[:1000],
            {"output_lately"},
        ),
        "today's tokens": (Usage.objects.filter(at__gte=since), {"usage_lately"}),
        "what was given up": (
            Delivery.objects.filter(given_up_at__isnull=False),
            {"delivery_given_up"},
        ),
        "steps that wait": (
            StepRun.objects.filter(status=StepStatus.QUEUED, pool="inference").order_by(
                "queued_at"
            ),
            {"step_waiting"},
        ),
    }


@pytest.mark.parametrize(
    "what",
    [
        "the list of runs",
        "the list of runs in one state",
        "how the last runs ended",
        "what goes on",
        "how fast texts began",
        "today's tokens",
        "what was given up",
        "steps that wait",
    ],
)
def test_it_is_read_along_an_index(company: Company, what: str) -> None:
    rows, indexes = lately(company.organization)[what]
    plan = plan_of(rows)
    assert any(index in plan for index in indexes), plan
    assert "TEMP B-TREE FOR ORDER BY" not in plan
