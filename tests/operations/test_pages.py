"""The pages of retention, exports and forgetting."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.notebooks.models import Document
from apps.notebooks.services.notebooks import trash_notebook
from apps.operations import execution, services
from apps.operations.models import Export
from apps.organizations.models import AuditEvent, Retention, Role
from tests import factories
from tests.accounts.pages import reauthenticate

pytestmark = pytest.mark.django_db

SETTINGS = "/o/alder/settings/"
EXPORTS = f"{SETTINGS}exports/"


def test_an_admin_says_how_long_things_are_kept(company, signed_in):
    client = signed_in(factories.member(company.organization, Role.ADMIN))
    page = client.get(SETTINGS).text
    assert 'value="90"' in page
    assert "Take everything along" not in page  # that is for owners
    days = {"trash_days": "30", "output_days": "", "run_days": "10", "audit_days": "365"}
    answer = client.post(f"{SETTINGS}retention/", days, follow=True)
    assert "How long things are kept is changed." in answer.text
    kept = Retention.objects.get(organization=company.organization)
    assert (kept.trash_days, kept.output_days, kept.run_days, kept.audit_days) == (
        30,
        None,
        10,
        365,
    )
    assert AuditEvent.objects.filter(verb="retention.changed").exists()


def test_less_than_the_least_is_refused_and_the_page_says_why(company, signed_in):
    client = signed_in(company.owner)
    answer = client.post(f"{SETTINGS}retention/", {"trash_days": "1", "audit_days": "10"})
    assert answer.status_code == 422
    assert "greater than or equal to 90" in answer.text
    assert not Retention.objects.exists()


def test_a_name_is_still_changed_on_the_page(company, signed_in):
    client = signed_in(company.owner)
    assert client.post(SETTINGS, {"name": ""}).status_code == 422
    assert client.post(SETTINGS, {"name": "Alder & Co"}).status_code == 302


def test_an_owner_asks_for_an_export_and_sees_where_it_stands(company, signed_in):
    client = signed_in(company.owner)
    assert "No export yet" in client.get(EXPORTS).text
    assert "being put together" in client.post(EXPORTS, follow=True).text
    assert client.post(EXPORTS).status_code == 409
    execution.put_together(Export.objects.get().pk)
    assert f"{EXPORTS}{Export.objects.get().pk}/" in client.get(EXPORTS).text


def test_the_file_is_for_who_has_just_signed_in(company, signed_in):
    export = services.request_export(organization=company.organization, by=company.owner)
    execution.put_together(export.pk)
    address = f"{EXPORTS}{export.pk}/"
    client = signed_in(company.owner)
    answer = client.get(address)
    assert answer.status_code == 302
    assert "/accounts/reauthenticate/" in answer["Location"]
    reauthenticate(client)
    answer = client.get(address)
    assert answer.status_code == 200
    assert "alder-" in answer["Content-Disposition"]
    assert b"".join(answer.streaming_content)[:2] == b"PK"
    assert AuditEvent.objects.filter(verb="organization.export_fetched").count() == 1


def test_an_export_that_is_over_is_not_there(company, signed_in):
    export = services.request_export(organization=company.organization, by=company.owner)
    execution.put_together(export.pk)
    Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert signed_in(company.owner).get(f"{EXPORTS}{export.pk}/").status_code == 404


def test_who_manages_a_notebook_has_its_past_forgotten(company, signed_in):
    notebook = factories.notebook(company.launches, text="Stands")
    client = signed_in(notebook.owner)
    assert "Forget what was deleted" in client.get(f"/n/{notebook.pk}/").text
    answer = client.post(f"/n/{notebook.pk}/forget/", follow=True)
    assert "is forgotten" in answer.text
    assert Document.objects.get(pk=notebook.pk).redacted_at
    trash_notebook(notebook=notebook, by=notebook.owner)
    assert client.post(f"/n/{notebook.pk}/forget/").status_code == 409
