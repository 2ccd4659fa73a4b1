"""Every page of signing in and of one's account: it renders, in words, under the strict policy."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.core import mail
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from apps.accounts.models import User
from apps.accounts.templatetags.accounts_devices import device
from tests import factories

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


class Page(HTMLParser):
    """What the tests look at: inline code, addresses, headings, labels."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.addresses: list[str] = []
        self.headings = 0
        self.controls: set[str] = set()
        self.labels: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element brings."""
        at = {name: value or "" for name, value in attrs}
        data = at.get("type") == "application/json"
        if (tag == "script" and "src" not in at and not data) or tag == "style":
            self.inline.append(tag)
        self.inline += [f"{tag} {name}" for name in at if name == "style" or name[:2] == "on"]
        self.addresses += [at[name] for name in ("src", "href", "action") if at.get(name)]
        self.headings += tag == "h1"
        if tag in {"input", "select", "textarea"} and at.get("type") not in {"hidden", "radio"}:
            self.controls.add(at.get("id", "without an id"))
        if tag == "label":
            self.labels.add(at.get("for", ""))

    def handle_data(self, data: str) -> None:
        """Keep the text: a tag that a formatter broke would be in it."""
        self.text += data


def check(html: str) -> Page:
    """Hold a page to what holds for all of them."""
    page = Page(html)
    assert page.inline == []
    assert page.headings == 1
    assert "<" not in page.text
    foreign = [one for one in page.addresses if one.startswith(("http:", "https:", "//"))]
    assert foreign == []
    assert page.controls <= page.labels
    return page


def check_text(html: str) -> str:
    """Return the page after the common check."""
    check(html)
    return html


def sign_in(client: Client, user: User) -> None:
    """Sign in through the form, so that the session is one that allauth lists."""
    client.post(reverse("account_login"), {"login": user.email, "password": factories.PASSWORD})


def reauthenticate(client: Client) -> None:
    """Show the password once more, as pages about the second step want it."""
    client.post(reverse("account_reauthenticate"), {"password": factories.PASSWORD})


@pytest.fixture
def mara(db: None) -> User:
    """Return a person who can sign in."""
    return factories.person("Mara Lindqvist", email="mara@example.com")


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


def test_another_device_is_listed_in_words_and_can_be_signed_out(mara: User) -> None:
    here, phone = Client(), Client(headers={"user-agent": "Mozilla/5.0 (iPhone) Safari/604.1"})
    sign_in(here, mara)
    sign_in(phone, mara)
    there = UserSession.objects.get(session_key=phone.session.session_key)

    listed = here.get(reverse("usersessions_list")).content.decode()
    here.post(reverse("accounts:end_session", args=[there.pk]))

    assert "Safari on iPhone" in check_text(listed)
    assert phone.get(reverse("accounts:profile")).status_code == 302
    assert here.get(reverse("accounts:profile")).status_code == 200


def test_nobody_signs_out_a_device_of_somebody_else_or_the_one_at_hand(mara: User) -> None:
    here, other = Client(), Client()
    sign_in(here, mara)
    sign_in(other, factories.person())
    foreign = UserSession.objects.get(session_key=other.session.session_key)
    own = UserSession.objects.get(session_key=here.session.session_key)

    answers = [here.post(reverse("accounts:end_session", args=[one.pk])) for one in (foreign, own)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert UserSession.objects.count() == 2


@pytest.mark.parametrize(
    ("agent", "label", "icon"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0 Safari/537.36", "Chrome on Linux", "laptop"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/141.0 Edg/141.0", "Edge on Windows", "laptop"),
        ("Mozilla/5.0 (Android 15; Mobile) Firefox/141.0", "Firefox on Android", "smartphone"),
        ("Mozilla/5.0 (Linux) Unheard/1", "Linux", "laptop"),
        ("", "Unknown device", "globe"),
    ],
)
def test_a_device_is_named_by_browser_and_system(agent: str, label: str, icon: str) -> None:
    assert device(agent).label == label
    assert device(agent).icon == icon


@pytest.mark.parametrize(
    ("cookie", "account", "shown"),
    [
        ("", "system", None),
        ("", "dark", "dark"),
        ("light", "dark", "light"),
        ("system", "dark", None),
        ("no-such-theme", "system", None),
    ],
)
def test_the_page_comes_in_the_theme_of_the_device_then_of_the_account(
    cookie: str, account: str, shown: str | None, mara: User, signed_in: SignedIn
) -> None:
    User.objects.filter(pk=mara.pk).update(theme=account)
    client = signed_in(mara)
    if cookie:
        client.cookies["theme"] = cookie

    html = client.get(reverse("accounts:profile")).content.decode()

    found = re.search(r'<html[^>]*data-theme="([^"]*)"', html)
    assert (found[1] if found else None) == shown


def test_the_rail_comes_as_narrow_as_it_was_left(mara: User, signed_in: SignedIn) -> None:
    client = signed_in(mara)
    client.cookies["rail"] = "narrow"

    html = client.get(reverse("accounts:profile")).content.decode()

    assert re.search(r'<html[^>]*data-rail="narrow"', html)


def test_htmx_swaps_a_refused_form_and_runs_no_text_as_code(db: None) -> None:
    html = Client().get(reverse("account_login")).content.decode()
    found = re.search(r"name=\"htmx-config\"\s+content='([^']+)'", html)
    assert found is not None

    config = json.loads(found[1])

    assert {"code": "422", "swap": True} in config["responseHandling"]
    assert config["allowEval"] is False
    assert config["includeIndicatorStyles"] is False
    assert config["historyCacheSize"] == 0  # no copy of private pages in the browser


def test_a_request_without_its_token_is_told_to_try_again(db: None) -> None:
    response = Client(enforce_csrf_checks=True).post(reverse("account_login"), {"login": "a"})

    assert response.status_code == 403
    assert "Please try once more" in check_text(response.content.decode())


def test_an_address_that_leads_nowhere_says_so_in_words(db: None) -> None:
    response = Client().get("/no/such/page/")

    assert response.status_code == 404
    assert "There is nothing here for you" in check_text(response.content.decode())


@pytest.mark.parametrize("name", ["403.html", "500.html", "429.html", "account/signup_closed.html"])
def test_a_page_of_failure_needs_neither_request_nor_person(name: str) -> None:
    check(render_to_string(name))


def test_every_icon_in_a_template_is_in_the_sprite() -> None:
    known = set(json.loads((ROOT / "static/core/icons.json").read_text()))
    used: dict[str, str] = {}
    for template in (ROOT / "templates").rglob("*.html"):
        text = template.read_text()
        for name in re.findall(r'components/icon\.html" with name="([^"]+)"', text):
            used[name] = template.name
        for name in re.findall(r'components/empty\.html" with icon="([^"]+)"', text):
            used[name] = template.name

    assert {name: at for name, at in used.items() if name not in known} == {}
