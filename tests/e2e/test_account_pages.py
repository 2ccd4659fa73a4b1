"""Sign-in, account and shell in a real Chromium, under the strict policy."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from playwright.sync_api import Browser

from apps.accounts.models import User
from apps.organizations.models import Role
from tests import factories
from tests.e2e.window import Window

OPEN_PAGES = {
    "sign-in": "/accounts/login/",
    "sign-up": "/accounts/signup/",
    "reset": "/accounts/password/reset/",
    "mail-sent": "/accounts/confirm-email/",
    "nowhere": "/no/such/page/",
}
OWN_PAGES = {
    "profile": "/settings/",
    "email": "/accounts/email/",
    "password": "/accounts/password/change/",
    "second-step": "/accounts/2fa/",
    "keys": "/accounts/2fa/webauthn/",
    "app": "/accounts/2fa/totp/activate/",
    "devices": "/accounts/sessions/",
    "sign-out": "/accounts/logout/",
}
SIZES = [(360, "dark"), (1440, "light")]
OpenWindow = Callable[..., Window]
# The database is made before the browser: afterwards a loop runs on this thread.
pytestmark = [pytest.mark.usefixtures("django_db_setup"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True, scope="module")
def allow_orm() -> Iterator[None]:
    """Let Django work on this thread: Playwright keeps a loop here, which looks like async code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture
def open_window(browser: Browser, live_server: Any) -> Iterator[Callable[..., Window]]:
    """Return a function that opens a window on the server of this test; all are closed after it."""
    windows: list[Window] = []

    def opened(base: str = live_server.url, **options: Any) -> Window:
        windows.append(Window(browser, base, **options))
        return windows[-1]

    yield opened
    for window in windows:
        window.close()


@pytest.fixture
def mara(transactional_db: None) -> User:
    """Return an editor of a company."""
    company = factories.company()
    somebody = factories.person("Mara Lindqvist", email="mara@example.com")
    return factories.member(company.launches, Role.EDITOR, user=somebody)


def confirm_password(visitor: Window) -> None:
    """Show the password once more where a page asks for it."""
    if "reauthenticate" in visitor.page.url:
        visitor.page.fill("#id_password", factories.PASSWORD)
        with visitor.page.expect_navigation():
            visitor.page.press("#id_password", "Enter")


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_axe_finds_nothing_serious_on_a_page_before_sign_in(
    width: int, scheme: str, open_window: OpenWindow
) -> None:
    visitor = open_window(width=width, scheme=scheme)
    found = {}

    for name, path in OPEN_PAGES.items():
        visitor.go(path)
        visitor.shoot(name)
        found[name] = [*visitor.serious(), *(["too wide"] if visitor.overflows() else [])]

    assert {name: what for name, what in found.items() if what} == {}
    assert visitor.complaints == []


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_axe_finds_nothing_serious_on_a_page_of_ones_account(
    width: int, scheme: str, mara: User, open_window: OpenWindow
) -> None:
    visitor = open_window(width=width, scheme=scheme)
    visitor.sign_in(mara.email, factories.PASSWORD)
    visitor.go("/accounts/reauthenticate/")
    confirm_password(visitor)
    found = {}

    for name, path in OWN_PAGES.items():
        visitor.go(path)
        visitor.shoot(name)
        found[name] = [*visitor.serious(), *(["too wide"] if visitor.overflows() else [])]

    assert {name: what for name, what in found.items() if what} == {}
    assert visitor.complaints == []


def test_a_passkey_is_added_and_then_opens_the_account(
    mara: User, open_window: OpenWindow, settings: Any
) -> None:
    settings.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
    visitor = open_window()
    page = visitor.page
    devtools = visitor.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    device = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
    device |= {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": device})
    visitor.sign_in(mara.email, factories.PASSWORD)

    visitor.go("/accounts/2fa/webauthn/add/")
    confirm_password(visitor)
    page.fill("#id_name", "This laptop")
    page.check("#id_passwordless")
    with page.expect_navigation():
        page.click("#mfa_webauthn_add")
    visitor.context.clear_cookies()
    visitor.go("/accounts/login/")
    with page.expect_navigation(url="**/notebooks/**"):
        page.click("#passkey_login")

    assert Authenticator.objects.get(user=mara, type="webauthn").data["name"] == "This laptop"
    assert page.locator(".rail-foot summary").inner_text().startswith("ML")
    assert visitor.complaints == []


def test_a_passkey_that_cannot_work_is_explained(open_window: OpenWindow, live_server: Any) -> None:
    by_number = live_server.url.replace("localhost", "127.0.0.1")
    visitor = open_window(by_number)

    visitor.go("/accounts/login/").click("#passkey_login")

    visitor.page.get_by_text("Passkeys need an address with a name").wait_for()


def test_the_theme_is_kept_by_the_device_and_by_the_account(
    mara: User, open_window: OpenWindow
) -> None:
    visitor = open_window()
    visitor.sign_in(mara.email, factories.PASSWORD)
    page = visitor.go("/settings/")

    page.locator(".rail-foot summary").click()
    with page.expect_response("**/settings/theme/"):
        page.locator(".theme-choice label[title=Dark]").click()
    page.reload()
    elsewhere = open_window()
    elsewhere.sign_in(mara.email, factories.PASSWORD)

    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    assert elsewhere.page.evaluate(theme) == "dark"
    background = page.evaluate("getComputedStyle(document.querySelector('.frame')).backgroundColor")
    assert background.startswith("oklch(0.2")


def test_a_menu_is_worked_by_keys_alone(mara: User, open_window: OpenWindow) -> None:
    visitor = open_window()
    visitor.sign_in(mara.email, factories.PASSWORD)
    page = visitor.go("/settings/")
    menu = page.locator(".rail-foot details")

    menu.locator("summary").focus()
    page.keyboard.press("ArrowDown")
    first = page.evaluate("document.activeElement.textContent.trim()")
    page.keyboard.press("ArrowUp")
    last = page.evaluate("document.activeElement.textContent.trim()")
    page.keyboard.press("Escape")

    assert first == "Your profile"
    assert last == "Sign out"
    assert menu.get_attribute("open") is None
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_rail_is_a_drawer_on_a_phone_and_stays_narrow_on_a_desk(
    mara: User, open_window: OpenWindow
) -> None:
    phone = open_window(width=360)
    phone.sign_in(mara.email, factories.PASSWORD)
    desk = open_window()
    cookies: Any = phone.context.cookies()
    desk.context.add_cookies(cookies)

    page = phone.go("/settings/")
    hidden = page.locator("#rail").is_visible()
    page.click(".rail-open")
    shown = page.locator("#rail").is_visible()
    phone.shoot("drawer")
    page.keyboard.press("Escape")
    wide = desk.go("/settings/")
    wide.click("[data-rail-toggle]")
    wide.reload()

    assert (hidden, shown, page.locator("#rail").is_visible()) == (False, True, False)
    assert wide.locator("#rail").bounding_box()["width"] < 70  # type: ignore[index]
    assert wide.get_by_role("link", name="Notebooks").count() == 1


def test_removing_an_address_asks_first(mara: User, open_window: OpenWindow) -> None:
    old = EmailAddress.objects.create(user=mara, email="old@example.com", verified=True)
    visitor = open_window()
    visitor.sign_in(mara.email, factories.PASSWORD)
    visitor.go("/accounts/reauthenticate/")
    confirm_password(visitor)
    page = visitor.go("/accounts/email/")

    page.click("button[name=action_remove]")
    page.click("#confirm button[value=no]")
    kept = EmailAddress.objects.filter(pk=old.pk).exists()
    page.click("button[name=action_remove]")
    visitor.shoot("confirm")
    with page.expect_navigation():
        page.click("#confirm button[value=yes]")

    assert kept
    assert not EmailAddress.objects.filter(pk=old.pk).exists()


def test_a_lost_device_is_signed_out_from_another(mara: User, open_window: OpenWindow) -> None:
    lost, here = open_window(), open_window()
    lost.sign_in(mara.email, factories.PASSWORD)
    here.sign_in(mara.email, factories.PASSWORD)

    page = here.go("/accounts/sessions/")
    with page.expect_navigation():
        page.click(".rows button")
    lost.go("/settings/")

    assert "/accounts/login/" in lost.page.url
    assert UserSession.objects.filter(user=mara).count() == 1
