"""What a refusal looks like to the page, to htmx and to a script."""

from http import HTTPStatus

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.cache import SessionStore
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory
from django_htmx.middleware import HtmxDetails

from apps.core.errors import DomainError, NotVisible
from apps.core.middleware import DomainErrorMiddleware


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
