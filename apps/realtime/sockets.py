"""Who may open a socket at all: a signed-in person, from a page of our own."""

from importlib import import_module
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest


def authenticated(router: URLRouter) -> Any:  # an ASGI application; channels has no type for it
    """Return the router behind the Origin check and the session."""
    return AllowedHostsOriginValidator(AuthMiddlewareStack(router))


def still_signed_in(user_id: object, session_key: str | None) -> bool:
    """Say whether the session still belongs to the active person: not ended, password not changed."""
    if session_key is None:
        return False
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return bool(user.is_authenticated and user.is_active and user.pk == user_id)
