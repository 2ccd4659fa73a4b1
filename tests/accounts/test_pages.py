"""Every page of signing in and of one's account: it renders, in words, under the strict policy."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from apps.accounts.models import User
from tests import factories
from tests.accounts.pages import check, check_text, reauthenticate, sign_in

ROOT = Path(__file__).resolve().parent.parent.parent
SignedIn = Callable[[User], Client]

OPEN_PAGES = [
    "account_login",
    "account_signup",
    "account_reset_password",
    "account_reset_password_done",
    "account_email_verification_sent",
    "account_inactive",
]
OWN_PAGES = [
    "accounts:profile",
    "account_email",
    "account_change_password",
    "account_logout",
    "account_reauthenticate",
    "mfa_index",
    "mfa_list_webauthn",
    "usersessions_list",
]
GUARDED_PAGES = [
    "mfa_activate_totp",
    "mfa_add_webauthn",
]
SECOND_STEP_PAGES = [
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
    "mfa_deactivate_totp",
    "mfa_reauthenticate",
]


@pytest.mark.parametrize("name", OPEN_PAGES)
def test_a_page_before_sign_in_renders_without_inline_code(name: str, db: None) -> None:
    response = Client().get(reverse(name))

    assert response.status_code == 200
    check(response.content.decode())


@pytest.mark.parametrize("name", OWN_PAGES)
def test_a_page_of_ones_account_renders_without_inline_code(
    name: str, mara: User, signed_in: SignedIn
) -> None:
    response = signed_in(mara).get(reverse(name))

    assert response.status_code == 200
    check(response.content.decode())


@pytest.mark.parametrize("name", GUARDED_PAGES)
def test_a_page_that_changes_the_sign_in_asks_for_the_password_first(name: str, mara: User) -> None:
    client = Client()
    sign_in(client, mara)

    asked = client.get(reverse(name))
    reauthenticate(client)
    given = client.get(reverse(name))

    assert asked.status_code == 302
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    check(given.content.decode())


@pytest.mark.parametrize("name", SECOND_STEP_PAGES)
def test_a_page_of_the_second_step_renders_without_inline_code(name: str, mara: User) -> None:
    client = Client()
    sign_in(client, mara)
    reauthenticate(client)
    TOTP.activate(mara, generate_totp_secret())
    RecoveryCodes.activate(mara)

    response = client.get(reverse(name))

    assert response.status_code == 200
    check(response.content.decode())


def test_the_second_step_is_asked_after_the_password_and_takes_a_recovery_code(mara: User) -> None:
    TOTP.activate(mara, generate_totp_secret())
    code = RecoveryCodes.activate(mara).get_unused_codes()[0]
    client = Client()

    sign_in(client, mara)
    asked = client.get(reverse("mfa_authenticate"))
    wrong = client.post(reverse("mfa_authenticate"), {"code": "000000"})
    client.post(reverse("mfa_authenticate"), {"code": code})

    check(asked.content.decode())
    assert 'class="errorlist"' in check_text(wrong.content.decode())
    assert client.session["_auth_user_id"] == str(mara.pk)


def test_the_picture_for_the_authenticator_app_is_no_request_to_anywhere(mara: User) -> None:
    client = Client()
    sign_in(client, mara)
    reauthenticate(client)

    html = client.get(reverse("mfa_activate_totp")).content.decode()

    assert 'src="data:image/svg+xml;base64,' in html
    assert re.search(r'id="authenticator_secret"[^>]* value="[A-Z2-7]{32}"', html)


def test_recovery_codes_are_shown_in_a_list_that_can_be_copied(mara: User) -> None:
    codes = RecoveryCodes.activate(mara).get_unused_codes()
    TOTP.activate(mara, generate_totp_secret())
    client = Client()
    client.force_login(mara, backend="allauth.account.auth_backends.AuthenticationBackend")
    reauthenticate(client)

    html = client.get(reverse("mfa_view_recovery_codes")).content.decode()

    assert [code for code in codes if f"<li>{code}</li>" not in html] == []
    assert 'data-copy="#recovery_codes"' in html


def test_a_key_can_be_renamed_and_removed(mara: User) -> None:
    client = Client()
    sign_in(client, mara)
    reauthenticate(client)
    key = Authenticator.objects.create(
        user=mara, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop", "credential": {}}
    )

    renamed = client.post(reverse("mfa_edit_webauthn", args=[key.pk]), {"name": "Desk"})
    asked = client.get(reverse("mfa_remove_webauthn", args=[key.pk]))
    client.post(reverse("mfa_remove_webauthn", args=[key.pk]))

    assert renamed["Location"] == reverse("mfa_list_webauthn")
    assert "“Desk”" in check_text(asked.content.decode())
    assert not Authenticator.objects.filter(pk=key.pk).exists()


def test_a_newcomer_signs_up_and_confirms_the_address(db: None) -> None:
    client = Client()
    filled = {"name": "Noor", "email": "noor@example.com", "password1": "a-long-enough-password"}

    signed_up = client.post(reverse("account_signup"), filled)
    link = re.search(r"http://testserver(/accounts/confirm-email/\S+)", str(mail.outbox[0].body))
    assert link is not None
    asked = client.get(link[1])
    client.post(link[1])

    assert signed_up["Location"] == reverse("account_email_verification_sent")
    assert "noor@example.com" in check_text(asked.content.decode())
    assert EmailAddress.objects.get(email="noor@example.com").verified
    assert User.objects.get(email="noor@example.com").name == "Noor"


def test_a_spoilt_link_of_confirmation_says_what_to_do(db: None) -> None:
    response = Client().get(reverse("account_confirm_email", args=["nonsense"]))

    assert "This link has expired" in check_text(response.content.decode())


def test_a_forgotten_password_is_replaced_by_mail(mara: User) -> None:
    client = Client()

    client.post(reverse("account_reset_password"), {"email": mara.email})
    link = re.search(r"http://testserver(/accounts/password/reset/\S+)", str(mail.outbox[0].body))
    assert link is not None
    form = client.get(link[1], follow=True)
    page = form.request["PATH_INFO"]
    fresh = {"password1": "quite-another-password", "password2": "quite-another-password"}
    done = client.post(page, fresh, follow=True)
    used = Client().get(link[1], follow=True)

    check(form.content.decode())
    assert "Password changed" in check_text(done.content.decode())
    assert "has been used or is too old" in check_text(used.content.decode())
    mara.refresh_from_db()
    assert mara.check_password("quite-another-password")


def test_an_unknown_address_learns_nothing_from_the_reset_page(db: None) -> None:
    response = Client().post(reverse("account_reset_password"), {"email": "nobody@example.com"})

    assert response["Location"] == reverse("account_reset_password_done")


def test_a_wrong_password_is_said_in_the_form(mara: User) -> None:
    response = Client().post(reverse("account_login"), {"login": mara.email, "password": "no"})

    assert 'class="errorlist nonfield"' in check_text(response.content.decode())


def test_too_many_wrong_passwords_close_the_door_for_a_while(
    mara: User, settings: Settings
) -> None:
    settings.AXES_ENABLED = True
    client = Client()
    for _attempt in range(settings.AXES_FAILURE_LIMIT):
        response = client.post(reverse("account_login"), {"login": mara.email, "password": "no"})

    right = client.post(
        reverse("account_login"), {"login": mara.email, "password": factories.PASSWORD}
    )

    assert response.status_code == 429
    assert right.status_code == 429
    assert "Too many attempts" in check_text(right.content.decode())
    assert "_auth_user_id" not in client.session


def test_an_address_is_added_made_the_main_one_and_removed(mara: User) -> None:
    client = Client()
    sign_in(client, mara)
    reauthenticate(client)
    url = reverse("account_email")

    client.post(url, {"action_add": "", "email": "second@example.com"})
    waiting = client.get(url).content.decode()
    EmailAddress.objects.filter(email="second@example.com").update(verified=True)
    client.post(url, {"action_primary": "", "email": "second@example.com"})
    main = EmailAddress.objects.get_primary(mara)
    client.post(url, {"action_remove": "", "email": "mara@example.com"})

    assert "Not confirmed" in check_text(waiting)
    assert 'data-confirm="Remove second@example.com from your account?"' in waiting
    assert main is not None
    assert main.email == "second@example.com"
    assert [one.email for one in EmailAddress.objects.filter(user=mara)] == ["second@example.com"]
