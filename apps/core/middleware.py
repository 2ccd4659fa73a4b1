"""Turn refusals into answers, and keep what is private out of caches and logs."""

import structlog
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.utils.deprecation import MiddlewareMixin
from django_structlog.middlewares import RequestMiddleware

from apps.core.errors import DomainError, NotVisible
from apps.core.log_lines import path_of


class RequestLogMiddleware(RequestMiddleware):
    """Log each request by its path, without query (people search for words) and without secrets.

    The answer names the request's id, so that whoever reports something can be found in the log.
    """

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Return method and path, an invitation's or a reset's secret left out."""
        return f"{request.method} {path_of(request)}"

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Name the id in the answer, and log how the request ended."""
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        if request_id:
            response["X-Request-ID"] = request_id
        super().handle_response(request, response)


class PrivateByDefaultMiddleware(MiddlewareMixin):
    """Let no cache keep an answer to a signed-in person, unless the view says otherwise."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Add the header where there is none: a shared cache must ask, and never keep."""
        if "Cache-Control" not in response and request.user.is_authenticated:
            patch_cache_control(response, private=True, no_cache=True)
        return response


class DomainErrorMiddleware(MiddlewareMixin):
    """Answer a DomainError with its status and its words; all else is a bug and is logged."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Return the refusal as page, fragment or JSON; None leaves the exception to Django."""
        if isinstance(exception, NotVisible):
            raise Http404 from exception
        if not isinstance(exception, DomainError):
            return None
        if request.headers.get("Accept", "").startswith("application/json"):
            return JsonResponse({"error": str(exception)}, status=exception.status)
        if getattr(request, "htmx", False):
            return render(
                request, "core/refused.html#refusal", {"reason": exception}, status=exception.status
            )
        messages.error(request, str(exception))
        return render(request, "core/refused.html", {"reason": exception}, status=exception.status)
