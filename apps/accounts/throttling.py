"""How django-axes counts wrong passwords of allauth's sign-in, and what a locked-out person reads."""

import math
from collections.abc import Mapping
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


def username_of(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """Return the address that is counted: allauth calls it email, its form calls it login."""
    given = credentials or {}
    name = given.get("email") or given.get("username") or request.POST.get("login", "")
    return str(name).strip().lower()[:255]


def locked_out(
    request: HttpRequest,
    _original_response: HttpResponse | None = None,
    credentials: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """Answer with the page that says in how many minutes the next try is taken."""
    seconds = _seconds_left(request, credentials)
    context = {"minutes": math.ceil(seconds / 60)}
    response = render(request, "429.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response


def _seconds_left(request: HttpRequest, credentials: Mapping[str, Any] | None) -> int:
    """Return how long the lock holds: its time runs from the last wrong password."""
    cool_off = get_cool_off(request).total_seconds()
    handler = AxesProxyHandler.get_implementation()
    attempts = [
        attempt.attempt_time
        for found in handler.get_user_attempts(request, credentials)
        for attempt in found
    ]
    since = (timezone.now() - max(attempts)).total_seconds() if attempts else 0
    return max(1, math.ceil(cool_off - since))
