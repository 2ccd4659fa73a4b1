"""How often is too often."""

import time
from typing import Any

import pytest
from django.core.cache import cache
from redis import ConnectionError as RedisConnectionError

from apps.core.limits import Limit, TooOften

LIMIT = Limit(name="test", times=2, within_s=600)


def test_one_too_many_is_refused_and_says_when_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 600_000.0 + 240)
    LIMIT.spend("ann")
    LIMIT.spend("ann")
    with pytest.raises(TooOften, match="in 7 minutes"):
        LIMIT.spend("ann")
    LIMIT.spend("ben")
    monkeypatch.setattr(time, "time", lambda: 600_000.0 + 601)
    LIMIT.spend("ann")


def test_a_cache_that_is_away_keeps_nobody_from_working(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_args: Any, **_options: Any) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(cache, "add", fails)
    for _ in range(5):
        LIMIT.spend("ann")
