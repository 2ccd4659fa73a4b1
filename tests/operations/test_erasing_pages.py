"""Erasing in the browser: what would go, a word that is typed, and what went."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import User
from apps.notebooks.models import Document, Notebook
from apps.notebooks.services.notebooks import trash_notebook
from apps.operations.models import Export
from apps.organizations.models import AuditEvent, Membership, Retention, Role
from tests import factories
from tests.accounts.pages import check_text, reauthenticate
from tests.factories import Company
from tests.learning.stories import settled, wrote

pytestmark = pytest.mark.django_db
ERASING = "/o/alder/settings/erasing/"
SignedIn = Callable[[User], Client]


@pytest.fixture
def admin(company: Company) -> User:
    return factories.member(company.organization, Role.ADMIN)


@pytest.fixture
def client(signed_in: SignedIn, admin: User) -> Client:
    browser = signed_in(admin)
    reauthenticate(browser)
    return browser


@pytest.fixture
def writer(company: Company) -> User:
    return factories.member(company.launches)


@pytest.fixture
def notebook(company: Company, writer: User) -> Notebook:
    return factories.notebook(company.launches, by=writer, text="The secret of the year")


def test_the_page_leads_to_a_person_and_to_a_text(
    client: Client, company: Company, writer: User
) -> None:
    output = wrote(company.launches)
    page = check_text(client.get(ERASING).text)
    assert "Nothing yet." in page
    to_person = client.get(ERASING, {"person": str(writer.pk)})
    assert to_person["Location"] == f"{ERASING}people/{writer.pk}/"
    to_text = client.get(ERASING, {"output": str(output.pk)})
    assert to_text["Location"] == f"{ERASING}texts/{output.pk}/"
    refused = client.get(ERASING, {"output": "nonsense"})
    assert refused.status_code == 422
    assert "That is no id" in refused.text
    stranger = factories.company("Elsewhere").owner
    assert client.get(ERASING, {"person": str(stranger.pk)}).status_code == 422


def test_it_asks_who_somebody_is_before_it_shows_what_would_go(
    signed_in: SignedIn, admin: User, company: Company, writer: User
) -> None:
    output = wrote(company.launches)
    browser = signed_in(admin)
    for path in (f"people/{writer.pk}/", f"texts/{output.pk}/"):
        for ask in (browser.get, browser.post):
            answer = ask(f"{ERASING}{path}")
            assert answer.status_code == 302
            assert "/accounts/reauthenticate/" in answer["Location"]


def test_what_would_go_is_counted_and_only_what_the_admin_may_open_is_named(
    client: Client, company: Company, writer: User, notebook: Notebook, signed_in: SignedIn
) -> None:
    page = check_text(client.get(f"{ERASING}people/{writer.pk}/").text)
    assert "Their letters in 1 notebook" in page
    assert str(notebook) not in page
    assert "that you may not open" in page
    assert "secret of the year" not in page
    assert writer.email in page  # the word to type


def test_nothing_goes_before_the_address_is_typed(
    client: Client, writer: User, notebook: Notebook
) -> None:
    address = f"{ERASING}people/{writer.pk}/"
    for typed in ("", "yes", str(writer.name)):
        answer = client.post(address, {"typed": typed})
        assert answer.status_code in {200, 422}
    assert "Nothing was erased" in client.post(address, {"typed": "yes"}).text
    assert not AuditEvent.objects.filter(verb="person.text_erased").exists()
    assert Document.objects.get(pk=notebook.pk).redacted_at is None


def test_what_a_person_wrote_goes_and_the_page_says_what_it_was(
    client: Client, admin: User, company: Company, writer: User, notebook: Notebook
) -> None:
    export = Export(organization=company.organization, status=Export.Status.READY)
    export.expires_at = timezone.now() + timedelta(days=1)
    export.file.save("all.zip", ContentFile(b"all"))

    answer = client.post(
        f"{ERASING}people/{writer.pk}/", {"typed": f" {writer.email.upper()} "}, follow=True
    )

    page = check_text(answer.text)
    assert "Forgotten in 1 notebook" in page
    assert "All that a person wrote, in 1 notebook" in page
    assert Document.objects.get(pk=notebook.pk).redacted_at is not None
    event = AuditEvent.objects.get(verb="person.text_erased")
    assert (event.actor, event.organization) == (admin, company.organization)
    assert event.data["person"] == str(writer.pk)
    assert event.data["notebooks"] == 1
    assert writer.email not in str(event.data)
    assert not Export.objects.exists()


def test_files_to_fetch_are_deleted_with_their_rows(
    client: Client,
    company: Company,
    writer: User,
    notebook: Notebook,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    export = Export(organization=company.organization, status=Export.Status.READY)
    export.expires_at = timezone.now() + timedelta(days=1)
    export.file.save("all.zip", ContentFile(b"all"))
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{ERASING}people/{writer.pk}/", {"typed": writer.email})
    assert not default_storage.exists(str(export.file.name))


def test_who_has_left_can_be_chosen_and_who_never_was_there_cannot(
    client: Client, company: Company, writer: User, notebook: Notebook
) -> None:
    colleague = factories.member(company.launches)
    Membership.objects.filter(user=colleague).delete()
    assert client.get(f"{ERASING}people/{colleague.pk}/").status_code == 404
    notebook.document.authors.create(user=colleague, client=7)
    page = client.get(f"{ERASING}people/{colleague.pk}/").text
    assert "until the operator erases it" in page
    assert f'value="{colleague.pk}"' in client.get(ERASING).text


def test_a_text_goes_with_what_was_made_of_it(
    client: Client, admin: User, company: Company, writer: User
) -> None:
    output = wrote(company.launches)
    reader = wrote(company.launches, source=output)
    settled(output, company.launches, "Edited by hand and settled", writer)
    address = f"{ERASING}texts/{output.pk}/"

    page = check_text(client.get(address).text)
    assert "the prompt of 1 other text" in page
    assert "1 edit record" in page
    assert output.text not in page
    assert client.post(address, {"typed": "no"}).status_code == 422
    output.refresh_from_db()
    assert output.erased_at is None

    answer = client.post(address, {"typed": "Erase"}, follow=True)

    assert "A text of a model" in check_text(answer.text)
    assert "1 text elsewhere had been made from it" in answer.text
    output.refresh_from_db()
    reader.refresh_from_db()
    assert (output.text, reader.erased_at) == ("", None)
    event = AuditEvent.objects.get(verb="output.erased")
    assert (event.actor, event.data["output"]) == (admin, str(output.pk))
    assert client.get(address).status_code == 404  # it is gone


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.STEWARD, Role.EDITOR])
def test_only_administrators_erase(
    company: Company, signed_in: SignedIn, writer: User, role: str
) -> None:
    output = wrote(company.launches)
    browser = signed_in(factories.member(company.organization, role))
    reauthenticate(browser)
    for path in ("", f"people/{writer.pk}/", f"texts/{output.pk}/"):
        assert browser.get(f"{ERASING}{path}").status_code == 404
    for path in (f"people/{writer.pk}/", f"texts/{output.pk}/"):
        assert browser.post(f"{ERASING}{path}", {"typed": "erase"}).status_code == 404


def test_the_list_of_what_was_erased_costs_the_same_for_many(
    client: Client, company: Company
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(ERASING)
        return len(queries)

    def add() -> None:
        AuditEvent.objects.create(
            organization=company.organization,
            actor=company.owner,
            actor_label="Owner",
            verb="output.erased",
            data={"outputs": 1, "made_elsewhere": []},
        )

    add()
    asked()
    one = asked()
    for _ in range(5):
        add()
    assert asked() == one


def test_the_trash_says_when_each_notebook_goes(
    signed_in: SignedIn, company: Company, writer: User, notebook: Notebook
) -> None:
    trash_notebook(notebook=notebook, by=writer)
    Notebook.objects.update(trashed_at=timezone.now().replace(2026, 1, 1))
    browser = signed_in(writer)
    assert "deleted for good on April 1, 2026" in browser.get("/o/alder/trash/").text  # 90 days
    Retention.objects.create(organization=company.organization, trash_days=None)
    assert "kept until somebody deletes it" in browser.get("/o/alder/trash/").text
