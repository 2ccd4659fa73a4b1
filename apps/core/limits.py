"""How often a person may do what costs the server much: counted in the cache, for a while at a time."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from django.core.cache import cache
from django.utils.translation import ngettext
from redis import RedisError

from apps.core.errors import DomainError


class TooOften(DomainError):
    """The person has done this as often as they may for now."""

    status: ClassVar[HTTPStatus] = HTTPStatus.TOO_MANY_REQUESTS


@dataclass(frozen=True, kw_only=True)
class Limit:
    """So many times within so many seconds; `name` is the key under which they are counted."""

    name: str
    times: int
    within_s: int

    def spend(self, person: object) -> None:
        """Count one more time of the person; TooOften when that is one too many.

        A cache that is away counts nothing: nobody is kept from working by it.
        """
        now = time.time()
        window = int(now // self.within_s)
        key = f"limit:{self.name}:{person}:{window}"
        try:
            cache.add(key, 0, timeout=self.within_s)
            spent = cache.incr(key)
        except (OSError, RedisError, ValueError):  # ValueError: it ran out just now
            return
        if spent > self.times:
            minutes = int((window + 1) * self.within_s - now) // 60 + 1
            message = ngettext(
                "That was often for now. Nothing is lost: try again in a minute.",
                "That was often for now. Nothing is lost: try again in %(count)s minutes.",
                minutes,
            )
            raise TooOften(message % {"count": minutes})
