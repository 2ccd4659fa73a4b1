"""Operators read; nobody changes runs or models by hand, and nobody reads along."""

from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.catalog.models import Deployment, ModelFamily, ModelVersion, Variant
from apps.inference.models import Delivery, OutboxRow, Output, Run
from apps.organizations.models import Organization
from tests.factories import person
from tests.inference.builders import spec, start
from tests.inference.conftest import Play
from tests.inference.test_execution import work


@pytest.fixture
def operator(signed_in: Callable[[User], Client]) -> Client:
    user = person("Operator")
    user.is_staff = user.is_superuser = True
    user.save()
    return signed_in(user)


@pytest.mark.parametrize(
    "model", [ModelFamily, ModelVersion, Variant, Deployment, Run, OutboxRow, Delivery]
)
def test_an_operator_reads_and_changes_nothing(
    organization: Organization, operator: Client, model: type
) -> None:
    place = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"  # type: ignore[attr-defined]
    assert operator.get(place).status_code == 200
    assert operator.get(f"{place}add/").status_code == 403


def test_a_runs_page_shows_its_steps_and_no_text(
    organization: Organization, operator: Client, play: Play
) -> None:
    play()
    run = work(start(organization, [spec("a", text="Secret words: ")]))
    page = operator.get(f"/admin/inference/run/{run.pk}/change/").content.decode()
    assert str(run.steps.get().attempt) in page
    assert "Lease until" in page
    assert "Secret words" not in page
    assert Output.objects.get().text not in page
