"""Small arithmetic of the console, and figures in words."""

import math
from collections.abc import Sequence
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

KIB = 1024
NOTHING = "\N{EN DASH}"  # in place of a figure that there is not


def p95(values: Sequence[float]) -> float | None:
    """Return the value that 95 of 100 do not exceed (nearest rank); None of nothing."""
    if not values:
        return None
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def seconds(value: float) -> str:
    """Return a duration as people say it: 0.42 s, 12 s, 3 min."""
    if value < 10:
        return _("%(seconds)s s") % {"seconds": f"{value:.2f}".rstrip("0").rstrip(".")}
    if value < 120:
        return _("%(seconds)s s") % {"seconds": round(value)}
    return _("%(minutes)s min") % {"minutes": round(value / 60)}


def age(value: timedelta) -> str:
    """Return how long ago something was, in its largest unit."""
    if value < timedelta(minutes=1):
        return _("just now")
    if value < timedelta(hours=1):
        count = int(value.total_seconds() // 60)
        return ngettext("%(count)s minute ago", "%(count)s minutes ago", count) % {"count": count}
    if value < timedelta(days=2):
        count = int(value.total_seconds() // 3600)
        return ngettext("%(count)s hour ago", "%(count)s hours ago", count) % {"count": count}
    return _("%(count)s days ago") % {"count": value.days}


def size(count: int) -> str:
    """Return a number of bytes as people say it."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < KIB:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= KIB
    return f"{value:.1f} TiB"
