"""The operator's pages about notebooks."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.notebooks.admin import CONTENT
from apps.notebooks.models import DocSnapshot, Notebook
from apps.notebooks.services.sharing import create_link
from apps.organizations.policy import Level
from tests import factories
from tests.factories import Company

MODELS = list(apps.get_app_config("notebooks").get_models())
SECRET = "The price is 149 euros"


@pytest.fixture
def operator(db: Any) -> User:
    """Return an operator of the instance."""
    return User.objects.create_superuser("op@example.com", factories.PASSWORD, name="Op")


@pytest.fixture
def notebook(company: Company) -> Notebook:
    """Return a notebook with text, a snapshot and a link."""
    notebook = factories.notebook(company.launches, text=SECRET)
    DocSnapshot.objects.create(
        document=notebook.document,
        upto_seq=1,
        state=notebook.document.updates.get().payload,
    )
    create_link(notebook=notebook, by=notebook.owner, level=Level.VIEW, days=1)
    return notebook


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_there_and_shows_no_content(
    model: Any, notebook: Notebook, operator: User, signed_in: Callable[[User], Client]
) -> None:
    client = signed_in(operator)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    pages = [client.get(reverse(f"{name}_changelist"))]
    for row in model.objects.all():
        pages.append(client.get(reverse(f"{name}_change", args=[row.pk])))
        assert client.post(reverse(f"{name}_change", args=[row.pk])).status_code == 403
        assert client.post(reverse(f"{name}_delete", args=[row.pk])).status_code == 403
    assert client.get(reverse(f"{name}_add")).status_code == 403
    for page in pages:
        assert page.status_code == 200
        assert "149 euros" not in page.content.decode()
        assert (notebook.grants.get().link_sha256 or "") not in page.content.decode()


def test_every_column_that_holds_content_is_left_out() -> None:
    """A new column of a telling type has to be judged: content, or fit to be shown."""
    shown = {
        f"{model.__name__}.{field.name}"
        for model in MODELS
        for field in model._meta.fields
        if field.get_internal_type() in {"BinaryField", "TextField", "JSONField", "FileField"}
        and field.name not in CONTENT
    }
    assert shown == set()
    assert all(admin.site.is_registered(model) for model in MODELS)


def test_nobody_but_an_operator_learns_of_these_pages(
    company: Company, signed_in: Callable[[User], Client]
) -> None:
    answer = signed_in(company.owner).get("/admin/notebooks/notebook/", follow=True)
    assert answer.status_code == 404
