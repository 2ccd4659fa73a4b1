"""The pages: who sees and does what, and what they say. (Who gets in at all: tests/architecture.)"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.catalog import execution, imports, selectors, services
from apps.catalog.models import Deployment, ModelImport, Variant
from apps.organizations.models import AuditEvent, Role
from tests import factories
from tests.factories import Company
from tests.inference.builders import deployment
from tests.models_page import hubs
from tests.models_page.hubs import Hub

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]


def url(company: Company, route: str, pk: object = None) -> str:
    args = [company.organization.slug] if pk is None else [company.organization.slug, pk]
    return reverse(f"inference:{route}", args=args)


def put(data_dir: Path, name: str = "House") -> Path:
    folder = data_dir / "models" / "incoming" / name
    folder.mkdir(parents=True)
    for file, content in hubs.starter_files().items():
        (folder / file).write_bytes(content)
    return folder


def looked_at(company: Company, by: User) -> ModelImport:
    found = imports.outlook_on("House")
    return imports.keep(found=found, organization=company.organization, by=by)


def added(company: Company, data_dir: Path, by: User) -> Variant:
    put(data_dir)
    one = imports.start(one=looked_at(company, by), by=by)
    execution.fetch(one.pk)
    one.refresh_from_db()
    assert one.variant is not None, one.error
    return one.variant


def test_the_page_lists_models_and_says_what_the_starter_is(
    company: Company, signed_in: SignedIn, data_dir: Path
) -> None:
    services.ensure_starter()
    page = signed_in(company.owner).get(url(company, "models")).text
    assert "Starter" in page
    assert "for trying InferenceCloud out" in page
    assert "Qwen/Qwen2.5-0.5B-Instruct" in page
    assert "licence: MIT-0" in page
    rail = signed_in(company.owner).get(reverse("organizations:settings", args=["alder"])).text
    assert url(company, "models") in rail


def test_without_a_model_the_page_teaches(company: Company, signed_in: SignedIn) -> None:
    assert "No model yet" in signed_in(company.owner).get(url(company, "models")).text


def test_who_operates_nothing_learns_whom_to_ask(
    company: Company, signed_in: SignedIn, data_dir: Path
) -> None:
    page = signed_in(company.owner).get(url(company, "models")).text
    assert 'name="source"' not in page
    assert f"manage.py make_operator {company.owner.email}" in page


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.STEWARD, Role.EDITOR, None])
@pytest.mark.parametrize("is_operator", [True, False])
@pytest.mark.parametrize("route", ["look", "start", "cancel", "remove"])
def test_only_operators_who_administer_add_models(
    company: Company,
    signed_in: SignedIn,
    data_dir: Path,
    role: str | None,
    is_operator: bool,
    route: str,
) -> None:
    put(data_dir)
    one = looked_at(company, company.owner)
    pk = {"look": None, "remove": deployment().variant.pk}.get(route, one.pk)
    user = factories.person() if role is None else factories.member(company.organization, role)
    accounts.make_operator(user=user, wanted=is_operator)
    may = is_operator and role in {Role.OWNER, Role.ADMIN}
    answer = signed_in(user).post(url(company, route, pk), {"source": "House"})
    wanted = {"look": 302, "start": 302, "cancel": 302, "remove": 409}[route] if may else 404
    assert answer.status_code == wanted


def test_a_model_from_the_hub_is_looked_at_then_fetched_on_confirmation(
    company: Company, operator: User, signed_in: SignedIn, hub: Hub, called: list[str]
) -> None:
    client = signed_in(operator)
    answer = client.post(url(company, "look"), {"source": "alder/writer"})
    one = ModelImport.objects.get()
    assert answer["Location"] == url(company, "adding", one.pk)
    page = client.get(answer["Location"]).text
    for words in ("apache-2.0", "in 7 files", "5 M", "1,024 tokens", "our own engine", "Add this"):
        assert words in page
    assert called == []
    client.post(url(company, "start", one.pk))
    one.refresh_from_db()
    assert one.status == ModelImport.Status.WAITING
    state = client.get(url(company, "adding", one.pk), headers={"HX-Request": "true"}).text
    assert state.lstrip().startswith("<section")
    assert "Waits for a worker" in state
    assert "hx-get" in state
    client.post(url(company, "cancel", one.pk))
    page = client.get(url(company, "adding", one.pk)).text
    assert "was stopped" in page
    assert "hx-get" not in page


def test_the_worker_is_called_once_the_decision_is_kept(
    company: Company,
    operator: User,
    signed_in: SignedIn,
    data_dir: Path,
    called: list[str],
    django_capture_on_commit_callbacks: Any,
) -> None:
    put(data_dir)
    one = looked_at(company, operator)
    with django_capture_on_commit_callbacks(execute=True):
        signed_in(operator).post(url(company, "start", one.pk))
    assert called == [str(one.pk)]


def test_a_refusal_stands_beside_what_was_typed(
    company: Company, operator: User, signed_in: SignedIn, data_dir: Path, settings: Any
) -> None:
    settings.MODEL_HUB_URL = ""
    client = signed_in(operator)
    assert "uses no model hub" in client.get(url(company, "models")).text
    answer = client.post(url(company, "look"), {"source": "alder/writer"})
    assert answer.status_code == 422
    assert "Use a folder instead" in answer.text
    assert 'value="alder/writer"' in answer.text
    assert not ModelImport.objects.exists()
    empty = client.post(url(company, "look"), {"source": ""})
    assert "Type a name at the hub" in empty.text


def test_the_page_names_the_folder_and_offers_what_lies_there(
    company: Company, operator: User, signed_in: SignedIn, data_dir: Path
) -> None:
    folder = put(data_dir)
    page = signed_in(operator).get(url(company, "models")).text
    assert str(folder.parent) in page
    assert f'value="{folder}"' in page


def test_a_failure_is_said_with_a_way_on(
    company: Company, operator: User, signed_in: SignedIn, data_dir: Path
) -> None:
    put(data_dir)
    one = looked_at(company, operator)
    one.status, one.error = ModelImport.Status.FAILED, "The disk is full."
    one.save()
    page = signed_in(operator).get(url(company, "adding", one.pk)).text
    assert "The disk is full." in page
    assert "Fetch it again" in page


def test_an_added_model_becomes_the_organizations_writer_and_the_former_one_again(
    company: Company, operator: User, signed_in: SignedIn, data_dir: Path
) -> None:
    former = services.ensure_starter()
    assert former is not None
    variant = added(company, data_dir, operator)
    client = signed_in(operator)
    client.post(url(company, "use_as_writer", variant.pk))
    current = selectors.deployment_for(company.organization)
    assert current is not None
    assert (current.variant, current.organization) == (variant, company.organization)
    page = client.get(url(company, "models")).text
    assert "Writer before" in page
    event = AuditEvent.objects.get(verb="model.deployed", organization=company.organization)
    assert (event.actor, event.data["variant"]) == (operator, str(variant.pk))

    client.post(url(company, "use_as_writer", former.variant.pk))
    again = selectors.deployment_for(company.organization)
    assert again is not None
    assert again.variant == former.variant
    elsewhere = factories.company("Elsewhere").organization
    assert selectors.deployment_for(elsewhere) == former


def test_choosing_the_writer_again_changes_nothing(company: Company, signed_in: SignedIn) -> None:
    current = services.ensure_starter()
    assert current is not None
    signed_in(company.owner).post(url(company, "use_as_writer", current.variant.pk))
    assert Deployment.objects.count() == 1


def test_a_model_whose_files_are_gone_is_not_chosen(
    company: Company, signed_in: SignedIn, data_dir: Path
) -> None:
    variant = deployment("other").variant  # nothing lies at its path
    answer = signed_in(company.owner).post(url(company, "use_as_writer", variant.pk))
    assert answer.status_code == 409
    assert "not on this machine any more" in answer.text


def test_removing_deletes_the_files_and_adding_again_brings_it_back(
    company: Company,
    operator: User,
    signed_in: SignedIn,
    data_dir: Path,
    django_capture_on_commit_callbacks: Any,
) -> None:
    variant = added(company, data_dir, operator)
    folder, client = variant.folder, signed_in(operator)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(url(company, "remove", variant.pk))
    assert not folder.exists()
    assert client.get(url(company, "model", variant.pk)).status_code == 404
    assert AuditEvent.objects.filter(verb="model.removed").exists()
    one = imports.start(one=looked_at(company, operator), by=operator)
    execution.fetch(one.pk)
    variant.refresh_from_db()
    assert variant.removed_at is None
    assert folder.exists()


def test_what_serves_or_was_shipped_is_not_removed(
    company: Company, operator: User, signed_in: SignedIn, data_dir: Path
) -> None:
    starter = services.ensure_starter()
    assert starter is not None
    variant = added(company, data_dir, operator)
    services.choose_writer(variant=variant, organization=company.organization, by=operator)
    client = signed_in(operator)
    assert client.post(url(company, "remove", variant.pk)).status_code == 409
    answer = client.post(url(company, "remove", starter.variant.pk))
    assert "Only models that were added here" in answer.text
    assert variant.folder.exists()


def test_the_page_asks_the_database_no_more_for_more_models(
    company: Company, signed_in: SignedIn
) -> None:
    client = signed_in(company.owner)
    counts = []
    for number in range(4):
        deployment(f"alias-{number}")
        with CaptureQueriesContext(connection) as asked:
            client.get(url(company, "models"))
        counts.append(len(asked))
    assert counts[1] == counts[3]


def test_an_operator_is_named_by_command_and_by_founding(company: Company) -> None:
    call_command("make_operator", company.owner.email.upper())
    company.owner.refresh_from_db()
    assert company.owner.is_staff
    assert not company.owner.is_superuser
    call_command("make_operator", company.owner.email, "--no")
    company.owner.refresh_from_db()
    assert not company.owner.is_staff
    verbs = AuditEvent.objects.filter(verb__startswith="operator.").order_by("pk")
    assert [event.verb for event in verbs] == ["operator.named", "operator.withdrawn"]
    with pytest.raises(CommandError, match="wanted a person's address"):
        call_command("make_operator", "nobody@example.com")


def test_a_second_click_leads_to_what_the_first_began(
    company: Company, signed_in: SignedIn, data_dir: Path, operator: User
) -> None:
    put(data_dir)
    one, client = looked_at(company, operator), signed_in(operator)
    shown = url(company, "adding", one.pk)
    for said in ("", "is being fetched already"):
        answer = client.post(url(company, "start", one.pk), follow=True)
        assert answer.redirect_chain == [(shown, 302)]
        assert said in answer.text
    client.post(url(company, "cancel", one.pk))
    late = client.post(url(company, "cancel", one.pk), follow=True)
    assert late.redirect_chain == [(shown, 302)]
    assert "is not being fetched any more" in late.text
