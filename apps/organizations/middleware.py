"""Tell the audit log where a request came from."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.organizations import audit


class AuditOriginMiddleware:
    """Keep address and browser of the request for the events that it causes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set the origin for the length of the request."""
        came_from = audit.origin_at(
            request.META.get("REMOTE_ADDR", ""), request.headers.get("User-Agent", "")
        )
        token = audit.origin.set(came_from)
        try:
            return self.get_response(request)
        finally:
            audit.origin.reset(token)
