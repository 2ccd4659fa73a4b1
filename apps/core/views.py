"""Answers for load balancers and operators."""

from http import HTTPStatus

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from redis import RedisError


@require_safe
def live(_request: HttpRequest) -> HttpResponse:
    """Say that the process answers."""
    return JsonResponse({"live": True})


@require_safe
def ready(_request: HttpRequest) -> HttpResponse:
    """Say whether database and cache answer; 503 when one does not."""
    checks = {"database": _database_answers(), "cache": _cache_answers()}
    status = HTTPStatus.OK if all(checks.values()) else HTTPStatus.SERVICE_UNAVAILABLE
    return JsonResponse({"ready": all(checks.values()), **checks}, status=status)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _cache_answers() -> bool:
    try:
        cache.set("health", 1, timeout=5)
        return bool(cache.get("health") == 1)
    except (OSError, RedisError):
        return False
