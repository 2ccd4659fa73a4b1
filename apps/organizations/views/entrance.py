"""The way in: an organization's pages are entered through its gate."""

from django.forms import Form
from django.http import HttpRequest

from apps.accounts.models import User
from apps.organizations import selectors
from apps.organizations.models import Organization

# An invitation seen before signing in; it survives sign-up and the letter that confirms the address.
INVITATION_KEY = "invitation"


def person(request: HttpRequest) -> User:
    """Return who is signed in; views that call it stand behind login_required."""
    assert isinstance(request.user, User)  # noqa: S101  (our own decorators guarantee it)
    return request.user


def enter(request: HttpRequest, slug: str, *, need: str | None) -> Organization:
    """Return the organization if the person may, and let the shell show it."""
    organization = selectors.organization_for(person(request), slug, need=need)
    request.organization = organization  # type: ignore[attr-defined]
    return organization


def words_of(form: Form) -> str:
    """Return the errors of a form that has no place of its own on the page."""
    return " ".join(str(error) for errors in form.errors.values() for error in errors)
