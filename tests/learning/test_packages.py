"""Examples that are too many for an answer: packed by a worker, fetched within a day."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from kombu.exceptions import OperationalError

from apps.accounts.models import User
from apps.learning import execution, export
from apps.learning.listing import Wanted
from apps.learning.models import Package
from apps.learning.services import consent, downloads
from apps.learning.sight import Sight
from apps.notebooks.services import erasure
from apps.organizations.models import AuditEvent, Role
from tests import factories
from tests.factories import Company
from tests.learning.stories import DRAFT, EDITED, settled, wrote
from tests.learning.test_export import Zip

LIST = "/o/alder/learning/"
FILES = f"{LIST}files/"
SignedIn = Callable[[User], Client]
Status = Package.Status


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have two texts be too many."""
    monkeypatch.setattr(downloads, "AT_ONCE", 1)


@pytest.fixture
def steward(company: Company) -> User:
    return factories.member(company.organization, Role.STEWARD)


@pytest.fixture
def client(signed_in: SignedIn, steward: User) -> Client:
    return signed_in(steward)


@pytest.fixture
def writer(company: Company) -> User:
    return factories.member(company.launches)


@pytest.fixture
def texts(company: Company, writer: User) -> list[Any]:
    made = [wrote(company.launches, f"{DRAFT} {n}", brief=f"Brief {n}") for n in range(3)]
    for number, one in enumerate(made):
        settled(one, company.launches, f"{EDITED} {number}", writer)
    return made


def ready(client: Client) -> Package:
    client.post(f"{LIST}download/")
    package = Package.objects.get()
    assert execution.pack(package.pk)
    package.refresh_from_db()
    return package


def test_what_is_small_still_comes_at_once(
    client: Client, texts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "AT_ONCE", 3)
    answer = client.post(f"{LIST}download/")
    assert answer.status_code == 200
    assert Zip(b"".join(answer)).rows("sft")
    assert not Package.objects.exists()


def test_what_is_large_is_packed_and_the_page_shows_how_far_it_is(
    client: Client, texts: list[Any]
) -> None:
    assert "No file yet" in client.get(FILES).text
    answer = client.post(f"{LIST}download/")
    assert (answer.status_code, answer["Location"]) == (302, FILES)
    page = client.get(FILES).text
    assert "Waits for a worker" in page
    assert "every 2s" in page

    Package.objects.update(done=400, total=1_000)
    part = client.get(FILES, headers={"HX-Request": "true"}).text
    assert "400 of 1,000 texts" in part
    assert 'value="40"' in part
    assert "<html" not in part

    assert execution.pack(Package.objects.get().pk)
    page = client.get(FILES).text
    assert f"{FILES}{Package.objects.get().pk}/" in page
    assert "every 2s" not in page


def test_the_file_is_the_one_that_an_answer_would_have_been(
    client: Client, texts: list[Any], company: Company, steward: User
) -> None:
    package = ready(client)
    sight = Sight(organization=company.organization, divisions=None)
    direct = downloads.download(sight=sight, by=steward, wanted=Wanted())
    answer = client.get(f"{FILES}{package.pk}/")
    body = b"".join(answer.streaming_content)
    assert body == direct.file.read()
    assert hashlib.sha256(body).hexdigest() == package.sha256
    assert package.examples == sum(direct.rows.values()) > 0
    assert (package.done, package.total) == (3, 3)


def test_the_filter_goes_along(client: Client, texts: list[Any], company: Company) -> None:
    asked = {
        "division": str(company.brand.pk),
        "settle": "released",
        "kept_from": "10",
        "since": "2020-01-01",
        "learnable": "no",
    }
    client.post(f"{LIST}download/", asked)
    package = Package.objects.get()
    del asked["learnable"]  # nothing else is ever packed
    assert package.asked == asked
    assert Wanted.from_json(package.asked).as_json() == asked
    assert execution.pack(package.pk)


def test_who_asks_and_who_fetches_is_in_the_audit_log(
    client: Client, texts: list[Any], steward: User
) -> None:
    package = ready(client)
    assert AuditEvent.objects.get(verb="learning.packed").actor == steward
    assert b"".join(client.get(f"{FILES}{package.pk}/").streaming_content)
    event = AuditEvent.objects.get(verb="learning.downloaded")
    assert (event.actor, event.data["sha256"]) == (steward, package.sha256)


def test_one_package_at_a_time(client: Client, texts: list[Any]) -> None:
    client.post(f"{LIST}download/")
    answer = client.post(f"{LIST}download/")
    assert answer.status_code == 409
    assert "being packed already" in answer.text
    assert Package.objects.count() == 1


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.AUDITOR, Role.EDITOR])
def test_only_stewards_of_the_organization_see_and_fetch(
    company: Company, signed_in: SignedIn, client: Client, texts: list[Any], role: str
) -> None:
    package = ready(client)
    elsewhere = factories.company("Elsewhere").organization
    others = [
        factories.member(company.organization, role),
        factories.member(elsewhere, Role.STEWARD),
    ]
    for person in others:
        assert signed_in(person).get(FILES).status_code == 404
        assert signed_in(person).get(f"{FILES}{package.pk}/").status_code == 404
    theirs = signed_in(others[1]).get(f"/o/elsewhere/learning/files/{package.pk}/")
    assert theirs.status_code == 404


def test_a_file_is_gone_after_a_day(client: Client, texts: list[Any]) -> None:
    package = ready(client)
    name = str(package.file.name)
    later = timezone.now() + timedelta(days=1, seconds=1)
    execution.look_after_packages(now=later - timedelta(minutes=1))
    assert default_storage.exists(name)
    Package.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(f"{FILES}{package.pk}/").status_code == 404
    execution.look_after_packages(now=later)
    assert not default_storage.exists(name)
    assert not Package.objects.exists()


def test_what_is_erased_takes_the_files_along(
    client: Client,
    texts: list[Any],
    company: Company,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    name = str(ready(client).file.name)
    with django_capture_on_commit_callbacks(execute=True):
        erasure.forget_output(output=texts[0], by=None)
    assert not Package.objects.exists()
    assert not default_storage.exists(name)


def test_who_says_no_to_learning_takes_the_files_along(
    client: Client, texts: list[Any], writer: User
) -> None:
    ready(client)
    consent.switch_person(user=factories.company("Elsewhere").owner, learn=False)
    assert Package.objects.exists()
    consent.switch_person(user=writer, learn=False)
    assert not Package.objects.exists()


def test_a_notebook_that_says_no_takes_the_files_along(
    client: Client, texts: list[Any], company: Company
) -> None:
    ready(client)
    record = texts[0].edit_records.get()
    consent.switch_notebook(
        notebook_id=record.notebook_id,
        organization=company.organization,
        by=company.owner,
        learn=False,
        about=record,
    )
    assert not Package.objects.exists()


def test_one_that_is_withdrawn_while_it_is_packed_leaves_no_file(
    client: Client, texts: list[Any], company: Company
) -> None:
    client.post(f"{LIST}download/")
    package = Package.objects.get()

    def erased_meanwhile(*args: Any, **kwargs: Any) -> Any:
        packed = pack(*args, **kwargs)
        downloads.withdraw(company.organization)
        return packed

    pack = export.pack
    with patch.object(execution.export, "pack", erased_meanwhile):
        assert not execution.pack(package.pk)
    assert not default_storage.exists(f"learning/{package.pk}.zip")

    client.post(f"{LIST}download/")
    package = Package.objects.get()
    with patch.object(execution, "outputs_of", side_effect=lambda *_: _gone(company)):
        assert not execution.pack(package.pk)
    assert not default_storage.exists(f"learning/{package.pk}.zip")


def _gone(company: Company) -> Any:
    downloads.withdraw(company.organization)
    return texts_of(company)


def texts_of(company: Company) -> Any:
    return company.organization.outputs.all()


def test_what_cannot_be_packed_says_so(client: Client, texts: list[Any]) -> None:
    client.post(f"{LIST}download/")
    package = Package.objects.get()
    with patch.object(execution.export, "pack", side_effect=OSError("no room")):
        assert not execution.pack(package.pk)
    assert "could not be packed" in client.get(FILES).text
    assert not execution.pack(package.pk)  # only what waits is packed


def test_what_no_worker_was_told_of_is_found(client: Client, texts: list[Any]) -> None:
    with patch.object(downloads.tasks.pack, "delay", side_effect=OperationalError("no broker")):
        client.post(f"{LIST}download/")
    execution.look_after_packages()
    assert Package.objects.get().status == Status.WAITING
    execution.look_after_packages(now=timezone.now() + timedelta(minutes=6))
    assert Package.objects.get().status == Status.READY


def test_the_page_asks_as_much_for_many_as_for_one(
    client: Client, company: Company, steward: User
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(FILES)
        return len(queries)

    def add() -> None:
        Package.objects.create(
            organization=company.organization,
            requested_by=steward,
            status=Status.READY,
            expires_at=timezone.now() + timedelta(days=1),
        )

    add()
    asked()
    one = asked()
    for _ in range(4):
        add()
    assert asked() == one
