"""What the tests of pages look at, and how they sign in."""

from html.parser import HTMLParser

from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from tests import factories


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
