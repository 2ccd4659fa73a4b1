"""What a refusal looks like to the page, to htmx and to a script; what caches and logs may keep."""

from http import HTTPStatus

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.cache import SessionStore
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django_htmx.middleware import HtmxDetails

from apps.core.errors import DomainError, NotVisible
from apps.core.middleware import DomainErrorMiddleware, RequestLogMiddleware
from tests import factories


class ShopIsClosed(DomainError):
    """Nothing is sold at night."""


def refuse(request: HttpRequest, error: Exception) -> HttpResponse | None:
    request.session = SessionStore()
    request.user = AnonymousUser()
    request.htmx = HtmxDetails(request)
    request._messages = FallbackStorage(request)
    return DomainErrorMiddleware(lambda _request: HttpResponse()).process_exception(request, error)


def test_what_a_person_may_not_see_is_not_found() -> None:
    with pytest.raises(Http404):
        refuse(RequestFactory().get("/"), NotVisible())


def test_a_bug_is_left_to_django() -> None:
    assert refuse(RequestFactory().get("/"), ValueError("a bug")) is None


def test_a_script_gets_the_refusal_as_json() -> None:
    request = RequestFactory().get("/", headers={"Accept": "application/json"})

    answer = refuse(request, ShopIsClosed("Closed until eight."))

    assert answer is not None
    assert answer.status_code == HTTPStatus.CONFLICT
    assert answer.content == b'{"error": "Closed until eight."}'


def test_htmx_gets_the_refusal_as_a_fragment() -> None:
    request = RequestFactory().get("/", headers={"HX-Request": "true"})

    answer = refuse(request, ShopIsClosed("Closed <until> eight."))

    assert answer is not None
    assert answer.status_code == HTTPStatus.CONFLICT
    assert b"<html" not in answer.content
    assert b"Closed &lt;until&gt; eight." in answer.content


@pytest.mark.django_db
def test_a_page_shows_the_refusal() -> None:
    answer = refuse(RequestFactory().get("/"), ShopIsClosed("Closed until eight."))

    assert answer is not None
    assert answer.status_code == HTTPStatus.CONFLICT
    assert b"<html" in answer.content
    assert b"Closed until eight." in answer.content


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("/invitations/Zm9vYmFy-_1/", "GET /invitations/<token>/"),
        ("/s/Zm9vYmFy-_1/", "GET /s/<token>/"),
        ("/accounts/password/reset/key/1-abc123-def/", "GET /accounts/password/reset/key/1-<key>/"),
        ("/accounts/confirm-email/MQ:1abc:x-y/", "GET /accounts/confirm-email/<key>/"),
        ("/o/alder/notebooks/?q=secret+plans", "GET /o/alder/notebooks/"),
        ("/no/such/page/", "GET /no/such/page/"),
    ],
)
def test_the_log_tells_the_path_but_nothing_that_opens_or_was_searched(
    asked: str, told: str
) -> None:
    assert RequestLogMiddleware.format_request(RequestFactory().get(asked)) == told


@pytest.mark.django_db
def test_no_cache_keeps_what_a_signed_in_person_sees(client: Client) -> None:
    client.force_login(
        factories.person("Nora"), backend="allauth.account.auth_backends.AuthenticationBackend"
    )

    answer = client.get("/settings/")

    assert answer["Cache-Control"] == "private, no-cache"


@pytest.mark.django_db
def test_what_is_for_everybody_says_itself_how_long_it_keeps(client: Client) -> None:
    assert "Cache-Control" not in client.get("/health/live/")
