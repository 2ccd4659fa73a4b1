"""The figures for Prometheus, for whoever knows the token."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from apps.console.metrics import Instance
from apps.core import metering


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Say what this process counted and how the instance stands; 404 without the token."""
    if not _is_told_the_token(request):
        raise Http404
    instance = CollectorRegistry()
    instance.register(Instance())
    said = generate_latest(metering.registry()) + generate_latest(instance)
    return HttpResponse(said, content_type=CONTENT_TYPE_LATEST)


def _is_told_the_token(request: HttpRequest) -> bool:
    scheme, _space, told = request.headers.get("Authorization", "").partition(" ")
    wanted = settings.METRICS_TOKEN
    is_equal = constant_time_compare(told.strip(), wanted)
    return bool(wanted) and scheme.lower() == "bearer" and is_equal
