"""Tell the audit log where a request came from."""

from collections.abc import Callable
from ipaddress import ip_address

from django.http import HttpRequest, HttpResponse

from apps.organizations import audit


class AuditOriginMiddleware:
    """Keep address and browser of the request for the events that it causes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set the origin for the length of the request."""
        came_from = audit.Origin(
            ip=_address(request.META.get("REMOTE_ADDR", "")),
            user_agent=request.headers.get("User-Agent", ""),
        )
        token = audit.origin.set(came_from)
        try:
            return self.get_response(request)
        finally:
            audit.origin.reset(token)


def _address(given: str) -> str | None:
    """Return the address, or None for what is none: a proxy may pass on what a browser invented."""
    try:
        return str(ip_address(given))
    except ValueError:
        return None
