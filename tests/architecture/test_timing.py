"""How long a refusal takes tells nobody whether the thing exists."""

import time
import uuid
from statistics import median

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tests import factories
from tests.architecture.world import client_of

ROUNDS = 60
BATCHES = 3  # whoever else uses the machine must be at it in each of them
TOLERATED_S = 0.005


def _seconds(client: Client, address: str) -> float:
    started = time.perf_counter()
    answer = client.get(address)
    taken = time.perf_counter() - started
    assert answer.status_code == 404
    return taken


def _difference(client: Client, exists: str, does_not: str) -> float:
    """Return by how much the medians differ; asked in turns, so that what disturbs disturbs both."""
    pairs = [(_seconds(client, exists), _seconds(client, does_not)) for _ in range(ROUNDS)]
    there, nowhere = zip(*pairs, strict=True)
    return abs(median(there) - median(nowhere))


@pytest.mark.parametrize("route", ["notebook", "updates"])
@pytest.mark.parametrize("who", ["a colleague elsewhere", "a stranger"])
def test_a_notebook_that_one_may_not_see_takes_as_long_as_none(
    company: factories.Company, route: str, who: str
) -> None:
    notebook = factories.notebook(company.launches, text="A paragraph.\n\n" * 500)
    person = (
        factories.member(company.retail)
        if who == "a colleague elsewhere"
        else factories.company("Elsewhere").owner
    )
    client = client_of(person)
    there, nowhere = (
        reverse(f"notebooks:{route}", args=[pk]) for pk in (notebook.pk, uuid.uuid4())
    )
    found: list[float] = []
    while len(found) < BATCHES and min(found, default=1.0) >= TOLERATED_S:
        found.append(_difference(client, there, nowhere))
    assert min(found) < TOLERATED_S


@pytest.mark.parametrize("route", ["notebook", "updates"])
@pytest.mark.parametrize("who", ["a colleague elsewhere", "a stranger"])
def test_as_much_is_asked_for_one_as_for_the_other(
    company: factories.Company, route: str, who: str
) -> None:
    notebook = factories.notebook(company.launches)
    is_colleague = who == "a colleague elsewhere"
    person = (
        factories.member(company.retail) if is_colleague else factories.company("Elsewhere").owner
    )
    client = client_of(person)
    _seconds(client, reverse(f"notebooks:{route}", args=[uuid.uuid4()]))  # what is asked only once
    asked = []
    for pk in (notebook.pk, uuid.uuid4()):
        with CaptureQueriesContext(connection) as queries:
            _seconds(client, reverse(f"notebooks:{route}", args=[pk]))
        asked.append(len(queries))
    assert abs(asked[0] - asked[1]) <= 1


def test_an_organization_of_others_takes_as_long_as_none(company: factories.Company) -> None:
    client = client_of(factories.company("Elsewhere").owner)
    there, nowhere = (
        reverse("organizations:people", args=[slug])
        for slug in (company.organization.slug, "nowhere")
    )
    found: list[float] = []
    while len(found) < BATCHES and min(found, default=1.0) >= TOLERATED_S:
        found.append(_difference(client, there, nowhere))
    assert min(found) < TOLERATED_S
