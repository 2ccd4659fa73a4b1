"""The health strip: seven figures of now, each with a light and words for it.

A handful of indexed queries, however large the organization is: it is asked for every few seconds.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from allauth.usersessions.models import UserSession
from django.db.models import Count, Exists, OuterRef, Q
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.console.figures import NOTHING, age, p95, seconds
from apps.inference.models import Output, Run, RunStatus
from apps.notebooks.models import Contribution, Notebook
from apps.operations.selectors import last_backup
from apps.organizations.models import Membership, Organization

NOW = timedelta(minutes=5)  # who was seen, what was edited within it, is live
LATELY = timedelta(hours=1)  # how far speed and errors look back
SAMPLE = 1_000  # the newest outputs that speed is read from


class Light(StrEnum):
    """How something stands; the page writes the word beside the colour."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    NONE = "none"  # nothing to judge


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of the strip."""

    name: str
    label: str
    value: str
    light: Light
    words: str


def strip(organization: Organization, now: datetime) -> list[Figure]:
    """Return the figures of this moment."""
    outputs = list(
        Output.objects.filter(organization=organization, created_at__gte=now - LATELY)
        .order_by("-created_at")
        .values_list("first_token_s", "total_s", "new_tokens")[:SAMPLE]
    )
    return [
        _people(organization, now),
        _notebooks(organization, now),
        _queue(organization),
        _first_token([first for first, _total, _tokens in outputs if first is not None]),
        _speed(outputs),
        _errors(organization, now),
        _backup(now),
    ]


def worst(figures: list[Figure]) -> Light:
    """Return the light of the whole."""
    lights = {figure.light for figure in figures}
    return next((one for one in (Light.RED, Light.AMBER) if one in lights), Light.GREEN)


def _people(organization: Organization, now: datetime) -> Figure:
    seen = UserSession.objects.filter(user=OuterRef("pk"), last_seen_at__gte=now - NOW)
    wrote = Contribution.objects.filter(user=OuterRef("pk"), last_at__gte=now - NOW)
    members = Membership.objects.filter(organization=organization).values("user")
    count = User.objects.filter(Exists(seen) | Exists(wrote), pk__in=members).count()
    return Figure(
        name="people",
        label=_("People active"),
        value=str(count),
        light=Light.NONE,
        words=_("in the last 5 minutes"),
    )


def _notebooks(organization: Organization, now: datetime) -> Figure:
    live = Notebook.objects.filter(organization=organization, edited_at__gte=now - NOW)
    return Figure(
        name="notebooks",
        label=_("Live notebooks"),
        value=str(live.count()),
        light=Light.NONE,
        words=_("edited in the last 5 minutes"),
    )


def _queue(organization: Organization) -> Figure:
    depth = Run.objects.waiting_line(organization.pk).count()
    light = Light.GREEN if depth < 5 else Light.AMBER if depth < 20 else Light.RED
    words = {
        Light.GREEN: _("Nobody waits") if depth == 0 else _("A short line"),
        Light.AMBER: _("A long line"),
        Light.RED: _("Too long a line: add a worker or raise a limit"),
    }
    return Figure(
        name="queue", label=_("Waiting in line"), value=str(depth), light=light, words=words[light]
    )


def _first_token(waits: list[float]) -> Figure:
    value = p95(waits)
    label = _("First word, p95")
    if value is None:
        words = _("Nothing was written in the last hour")
        return Figure(name="first-token", label=label, value=NOTHING, light=Light.NONE, words=words)
    light = Light.GREEN if value < 2 else Light.AMBER if value < 8 else Light.RED
    words = {Light.GREEN: _("Quick"), Light.AMBER: _("Slow"), Light.RED: _("Far too slow")}[light]
    return Figure(name="first-token", label=label, value=seconds(value), light=light, words=words)


def _speed(outputs: list[tuple[float | None, float, int]]) -> Figure:
    """Tell how fast one text is written once it has begun: tokens over the time after the first."""
    label = _("Tokens per second")
    timed = [(total - first, new) for first, total, new in outputs if first is not None and new > 1]
    took = sum(took for took, _new in timed)
    if took <= 0:
        words = _("Nothing was written in the last hour")
        return Figure(name="speed", label=label, value=NOTHING, light=Light.NONE, words=words)
    value = sum(new - 1 for _took, new in timed) / took
    light = Light.GREEN if value >= 8 else Light.AMBER if value >= 3 else Light.RED
    said = {
        Light.GREEN: _("Faster than people read"),
        Light.AMBER: _("About as fast as people read"),
        Light.RED: _("Slower than people read"),
    }
    return Figure(name="speed", label=label, value=f"{value:,.0f}", light=light, words=said[light])


def _errors(organization: Organization, now: datetime) -> Figure:
    recent = Run.objects.filter(organization=organization, created_at__gte=now - LATELY)
    failed = Q(status=RunStatus.FAILED)
    counted = recent.aggregate(
        failed=Count("pk", filter=failed),
        over=Count("pk", filter=failed | Q(status=RunStatus.SUCCEEDED)),
    )
    label = _("Failed updates")
    if not counted["over"]:
        words = _("No update ended in the last hour")
        return Figure(name="errors", label=label, value=NOTHING, light=Light.NONE, words=words)
    share = counted["failed"] / counted["over"]
    light = Light.GREEN if share < 0.02 else Light.AMBER if share < 0.1 else Light.RED
    words = _("%(failed)s of %(over)s in the last hour") % counted
    return Figure(
        name="errors", label=label, value=f"{100 * share:.0f} %", light=light, words=words
    )


def _backup(now: datetime) -> Figure:
    label = _("Last backup")
    last = last_backup()
    if last is None:
        words = _("No backup was ever made here: manage.py backup")
        return Figure(name="backup", label=label, value=_("never"), light=Light.RED, words=words)
    old = now - last.finished_at
    light = (
        Light.GREEN
        if old < timedelta(hours=26)
        else Light.AMBER
        if old < timedelta(days=7)
        else Light.RED
    )
    said = {
        Light.GREEN: _("Fresh"),
        Light.AMBER: _("Older than a day"),
        Light.RED: _("Older than a week"),
    }
    return Figure(name="backup", label=label, value=age(old), light=light, words=said[light])
