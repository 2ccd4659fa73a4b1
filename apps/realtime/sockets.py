"""Who may open a socket at all: a signed-in person, from a page of our own."""

from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host


def authenticated(router: URLRouter) -> Any:  # an ASGI application; channels has no type for it
    """Return the router behind the Origin check and the session."""
    return SameOrigin(AuthMiddlewareStack(router))


class SameOrigin:
    """Let a handshake pass only from a page of the very host that it asks (or a trusted origin).

    A browser sends cookies with every WebSocket, whosever page opens it; `SameSite` does not tell
    ports apart.
    """

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        """Pass the handshake on, or deny it."""
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        allowed = is_own_origin(headers.get(b"origin", ""), headers.get(b"host", ""))
        application = self._application if allowed else WebsocketDenier()
        return await application(scope, receive, send)


def is_own_origin(origin: str, host: str) -> bool:
    """Say whether the origin is the host's, and the host one that we serve."""
    domain, _port = split_domain_port(host)
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        return False
    return urlsplit(origin).netloc == host or origin in settings.CSRF_TRUSTED_ORIGINS


def came_from(scope: dict[str, Any]) -> tuple[str, str]:
    """Return the address and the browser that opened the socket, as far as they are told."""
    address, _port = scope.get("client") or ("", 0)
    agents = [value for name, value in scope["headers"] if name.lower() == b"user-agent"]
    return address, agents[0].decode("latin-1") if agents else ""


def still_signed_in(user_id: object, session_key: str | None) -> bool:
    """Say whether the session still belongs to the active person: not ended, password not changed."""
    if session_key is None:
        return False
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    return bool(user.is_authenticated and user.is_active and user.pk == user_id)
