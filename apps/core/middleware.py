"""Turn refusals into answers."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from apps.core.errors import DomainError, NotVisible


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
