"""Who may open a socket at all: a signed-in person, from a page of our own."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator


def authenticated(router: URLRouter) -> Any:  # an ASGI application; channels has no type for it
    """Return the router behind the Origin check and the session."""
    return AllowedHostsOriginValidator(AuthMiddlewareStack(router))
