"""The operator's pages: every model is there, nothing secret and no text of documents is."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.notebooks.models import DocUpdate
from apps.organizations.admin import AuditedAdmin
from apps.organizations.models import AuditEvent, Membership, Organization, Role
from tests import factories
from tests.factories import Company
from tests.organizations.fixtures import SignedIn

OURS = [model for model in apps.get_models() if model.__module__.startswith("apps.")]
IMMUTABLE = [AuditEvent, DocUpdate]
SECRET = {
    "secret_sha256", "link_sha256", "session_key", "payload", "state", "text", "spec", "before", "file",
    "messages", "prompt", "token_ids", "final_text", "key_sealed",
}  # fmt: skip


def _operator() -> User:
    return User.objects.create_superuser("root@example.com", "x", name="Root")


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_every_model_is_registered(model: type[models.Model]) -> None:
    assert model in admin.site._registry


@pytest.mark.parametrize("model", IMMUTABLE, ids=lambda model: model._meta.label)
def test_immutable_rows_are_only_looked_at(model: type[models.Model], rf: object, db: None) -> None:
    page, request = admin.site._registry[model], rf.get("/")  # type: ignore[attr-defined]
    request.user = _operator()
    assert page.has_view_permission(request)
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.label)
def test_no_page_shows_what_is_secret_or_the_text_of_documents(
    model: type[models.Model], rf: object, db: None
) -> None:
    page, request = admin.site._registry[model], rf.get("/")  # type: ignore[attr-defined]
    request.user = _operator()
    shown = {str(column) for column in page.list_display}
    if page.has_view_permission(request):
        for _title, options in page.get_fieldsets(request):
            shown |= {str(name) for name in options["fields"]}
    assert not shown & SECRET


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.label)
def test_what_can_be_changed_leaves_an_event(
    model: type[models.Model], rf: object, db: None
) -> None:
    page, request = admin.site._registry[model], rf.get("/")  # type: ignore[attr-defined]
    request.user = _operator()
    may_write = page.has_add_permission(request) or page.has_change_permission(request)
    assert isinstance(page, AuditedAdmin) or not may_write


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.label)
def test_every_list_opens(model: type[models.Model], db: None, signed_in: SignedIn) -> None:
    client = signed_in(_operator())
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    assert client.get(url, {"q": "a"}).status_code in {200, 302}
    assert client.get(url).status_code == 200


def test_signing_in_is_allauth_s_with_its_second_step(db: None, client: Client) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/accounts/login/?next=")


@pytest.mark.parametrize("path", ["", "login/", "organizations/organization/"])
def test_nobody_but_operators_learns_of_the_pages(
    company: Company, signed_in: SignedIn, path: str
) -> None:
    client = signed_in(company.owner)
    assert client.get(f"/admin/{path}", follow=True).status_code == 404


def test_what_operators_change_leaves_an_event(company: Company, signed_in: SignedIn) -> None:
    client = signed_in(_operator())
    editor = factories.member(company.launches)
    held = Membership.objects.get(user=editor)
    url = reverse("admin:organizations_membership_change", args=[held.pk])
    form = {
        "organization": str(company.organization.pk),
        "division": "",
        "workspace": str(company.launches.pk),
        "user": str(editor.pk),
        "role": Role.VIEWER,
    }
    assert client.post(url, form).status_code == 302
    event = AuditEvent.objects.get(verb="operator.changed")
    assert event.organization == company.organization
    assert event.data == {"model": "organizations.Membership", "fields": ["role"]}
    url = reverse("admin:organizations_membership_delete", args=[held.pk])
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert AuditEvent.objects.get(verb="operator.deleted").target_id == str(held.pk)


def test_many_deletions_leave_an_event_each(company: Company, signed_in: SignedIn) -> None:
    client = signed_in(_operator())
    held = [Membership.objects.get(user=factories.member(company.launches)) for _ in range(2)]
    form = {"action": "delete_selected", "_selected_action": [str(m.pk) for m in held]}
    client.post(reverse("admin:organizations_membership_changelist"), {**form, "post": "yes"})
    assert AuditEvent.objects.filter(verb="operator.deleted").count() == 2


def test_an_account_is_closed_and_never_deleted(company: Company, signed_in: SignedIn) -> None:
    client = signed_in(_operator())
    url = reverse("admin:accounts_user_delete", args=[company.owner.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403
    url = reverse("admin:accounts_user_change", args=[company.owner.pk])
    form = {"email": company.owner.email, "name": "Closed", "caret_color": "0"}
    answer = client.post(url, {**form, "theme": "system", "language": "en"})
    assert answer.status_code == 302
    company.owner.refresh_from_db()
    assert not company.owner.is_active
    url = reverse("admin:organizations_organization_delete", args=[company.organization.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert Organization.objects.filter(pk=company.organization.pk).exists()


def test_a_person_is_added_by_the_operator(db: None, signed_in: SignedIn) -> None:
    client = signed_in(_operator())
    word = "a-very-long-word-indeed"
    form = {"email": "new@example.com", "name": "New", "password1": word, "password2": word}
    answer = client.post(reverse("admin:accounts_user_add"), {**form, "usable_password": "true"})
    assert answer.status_code == 302
    assert User.objects.get(email="new@example.com").check_password(word)


def test_a_lost_second_step_is_taken_off_and_the_log_says_so(
    company: Company, signed_in: SignedIn
) -> None:
    from allauth.mfa.models import Authenticator

    step = Authenticator.objects.create(user=company.owner, type="totp", data={"secret": "x"})
    url = reverse("admin:mfa_authenticator_delete", args=[step.pk])
    assert signed_in(_operator()).post(url, {"post": "yes"}).status_code == 302
    assert not Authenticator.objects.exists()
    event = AuditEvent.objects.get(verb="operator.second_step_removed")
    assert event.target_id == str(company.owner.pk)


def test_a_new_password_by_the_operator_leaves_an_event(
    company: Company, signed_in: SignedIn
) -> None:
    word = "a-very-long-word-indeed"
    url = reverse("admin:auth_user_password_change", args=[company.owner.pk])
    form = {"password1": word, "password2": word, "usable_password": "true"}
    answer = signed_in(_operator()).post(url, {**form, "set-password": "1"})
    assert answer.status_code == 302
    company.owner.refresh_from_db()
    assert company.owner.check_password(word)
    event = AuditEvent.objects.get(verb="operator.changed")
    assert event.target_id == str(company.owner.pk)
    assert event.data == {"model": "accounts.User", "fields": ["password"]}


def test_the_operator_cannot_put_a_division_into_itself(
    company: Company, signed_in: SignedIn
) -> None:
    url = reverse("admin:organizations_division_change", args=[company.brand.pk])
    form = {"name": "Brands", "slug": "brand", "parent": str(company.brand.pk)}
    assert signed_in(_operator()).post(url, form).status_code == 302
    company.brand.refresh_from_db()
    assert (company.brand.name, company.brand.parent) == ("Brands", None)


def test_parts_of_two_organizations_do_not_mix(company: Company, signed_in: SignedIn) -> None:
    elsewhere = factories.company("Elsewhere")
    form = {
        "organization": str(company.organization.pk),
        "division": str(elsewhere.brand.pk),
        "name": "Stray",
        "slug": "stray",
    }
    answer = signed_in(_operator()).post(reverse("admin:organizations_workspace_add"), form)
    assert "This lies in another organization." in answer.text
