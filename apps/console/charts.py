"""The charts of the console: each a table first, with a sentence that says what it shows.

The page draws the table as it stands; nothing is in a picture that is not in its table.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, Exists, F, OuterRef, Sum
from django.db.models.functions import TruncDate, TruncHour, TruncWeek
from django.utils.translation import gettext as _

from apps.console.figures import p95
from apps.console.sight import Sight
from apps.inference.models import Output, StepRun, StepStatus, Usage
from apps.learning.models import EditRecord
from apps.organizations.models import Division

HOURS = 48
OUTPUTS = 20_000  # that the waits are read from


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One chart: rows of a table, the first cell the label, the others figures or nothing."""

    name: str
    title: str
    says: str  # one sentence; empty when there is nothing to show
    kind: str  # line | bar | bars (lying)
    unit: str
    columns: list[str]
    rows: list[tuple[str, list[float | None]]] = field(default_factory=list)
    drawn: int = 8  # columns that are drawn; the table may say more


def kept_by_week(sight: Sight, since: datetime) -> Chart:
    """Show how much of the drafts people kept, per week and division."""
    newer = EditRecord.objects.filter(
        output=OuterRef("output"), settled_at__gt=OuterRef("settled_at")
    )
    records = EditRecord.objects.filter(sight.covered(), ~Exists(newer), settled_at__gte=since)
    sums = (
        records.annotate(week=TruncWeek("settled_at"))
        .values("week", "division__name")
        .annotate(kept=Sum("kept_chars"), written=Sum("output_chars"))
        .order_by("week")
    )
    weeks: dict[date, dict[str, float]] = defaultdict(dict)
    for one in sums:
        if one["written"]:
            name = one["division__name"] or _("No division")
            weeks[one["week"].date()][name] = round(100 * one["kept"] / one["written"], 1)
    names = sorted({name for values in weeks.values() for name in values})
    kept = sum(one["kept"] or 0 for one in sums)
    written = sum(one["written"] or 0 for one in sums)
    says = _("Of all that models wrote and people settled, %(share)s %% was kept word for word.")
    return Chart(
        name="kept",
        title=_("Kept of the drafts, by week and division"),
        says=says % {"share": round(100 * kept / written)} if written else "",
        kind="line",
        unit="%",
        columns=names,
        rows=[
            (f"{week:%Y-%m-%d}", [values.get(name) for name in names])
            for week, values in sorted(weeks.items())
        ],
    )


def tokens_by_day(sight: Sight, since: datetime, until: datetime) -> Chart:
    """Show the tokens of every day: read and written."""
    sums = {
        one["day"]: one
        for one in _usage(sight, since)
        .annotate(day=TruncDate("at"))
        .values("day")
        .annotate(read=Sum("prompt_tokens"), written=Sum("new_tokens"))
    }
    days = _days(since, until) if sums else []
    rows: list[tuple[str, list[float | None]]] = [
        (f"{day:%Y-%m-%d}", [_of(sums, day, "read"), _of(sums, day, "written")]) for day in days
    ]
    total = sum(value or 0 for _day, values in rows for value in values)
    busiest = max(rows, key=lambda row: sum(value or 0 for value in row[1]), default=None)
    says = _("%(total)s tokens in %(days)s days; the most on %(day)s.")
    return Chart(
        name="tokens",
        title=_("Tokens by day"),
        says=says % {"total": f"{total:,.0f}", "days": len(rows), "day": busiest[0]}
        if busiest
        else "",
        kind="bar",
        unit=_("tokens"),
        columns=[_("Read"), _("Written")],
        rows=rows,
    )


def usage_by_division(sight: Sight, since: datetime) -> Chart:
    """Show whose tokens were spent, by division."""
    sums = _usage(sight, since).values("division__name").annotate(tokens=_tokens())
    named = ((one["division__name"] or _("No division"), one["tokens"]) for one in sums)
    return _ranked("divisions", _("Tokens by division"), named)


def usage_by_person(sight: Sight, since: datetime) -> Chart:
    """Show who spent them."""
    sums = _usage(sight, since).values("actor", "actor__name").annotate(tokens=_tokens())
    named = ((one["actor__name"] or _("Somebody who has left"), one["tokens"]) for one in sums)
    return _ranked("people", _("Tokens by person"), named)


def first_token_by_hour(sight: Sight, now: datetime) -> Chart:
    """Show how long 95 of 100 texts took to their first word, hour by hour."""
    since = now - timedelta(hours=HOURS)
    found = (
        Output.objects.filter(organization=sight.organization, created_at__gte=since)
        .exclude(first_token_s=None)
        .order_by("-created_at")
        .annotate(hour=TruncHour("created_at"))
        .values_list("hour", "first_token_s")[:OUTPUTS]
    )
    waits: dict[datetime, list[float]] = defaultdict(list)
    for hour, wait in found:
        waits[hour].append(wait or 0.0)
    rows: list[tuple[str, list[float | None]]] = [
        (f"{hour:%m-%d %H:00}", [round(p95(some) or 0.0, 3), float(len(some))])
        for hour, some in sorted(waits.items())
    ]
    slowest = max(rows, key=lambda row: row[1][0] or 0.0, default=None)
    says = _("The slowest hour was %(hour)s (UTC): 95 of 100 texts began within %(seconds)s s.")
    return Chart(
        name="first-token",
        title=_("First word, p95 by hour"),
        says=says % {"hour": slowest[0], "seconds": slowest[1][0]} if slowest else "",
        kind="line",
        unit="s",
        columns=[_("p95, in seconds"), _("Texts")],
        rows=rows,
        drawn=1,
    )


def errors_by_day(sight: Sight, since: datetime, until: datetime) -> Chart:
    """Show how many cells were not written, and how many were, day by day."""
    steps = StepRun.objects.filter(
        run__organization=sight.organization,
        run__created_at__gte=since,
        status__in=[StepStatus.FAILED, StepStatus.SUCCEEDED],
    )
    counted: dict[tuple[date, str], int] = {
        (one["day"], one["status"]): one["count"]
        for one in steps.order_by()
        .annotate(day=TruncDate("run__created_at"))
        .values("day", "status")
        .annotate(count=Count("pk"))
    }
    failed = sum(count for (_day, status), count in counted.items() if status == StepStatus.FAILED)
    total = sum(counted.values())
    says = _("%(failed)s of %(total)s cells were not written.")
    return Chart(
        name="errors",
        title=_("Failed cells by day"),
        says=says % {"failed": failed, "total": total} if total else "",
        kind="bar",
        unit=_("cells"),
        columns=[_("Failed"), _("Written")],
        rows=[
            (
                f"{day:%Y-%m-%d}",
                [
                    float(counted.get((day, status), 0))
                    for status in (StepStatus.FAILED, StepStatus.SUCCEEDED)
                ],
            )
            for day in (_days(since, until) if total else [])
        ],
    )


def beginning(days: int, now: datetime) -> datetime:
    """Return when a span of so many days began, today included."""
    return datetime.combine(now.date() - timedelta(days=days - 1), time.min, UTC)


def division_names(sight: Sight) -> list[str]:
    """Return the names of the divisions in sight, for who sees only some."""
    return list(
        Division.objects.filter(pk__in=sight.divisions or ()).values_list("name", flat=True)
    )


def _usage(sight: Sight, since: datetime):  # type: ignore[no-untyped-def]  # chained values()
    return Usage.objects.filter(sight.covered(), at__gte=since).order_by()


def _tokens() -> Sum:
    return Sum(F("prompt_tokens") + F("new_tokens"))


def _days(since: datetime, until: datetime) -> list[date]:
    return [
        since.date() + timedelta(days=number)
        for number in range((until.date() - since.date()).days + 1)
    ]


def _of(sums: dict[date, dict[str, int]], day: date, what: str) -> float:
    return float(sums[day][what]) if day in sums else 0.0


def _ranked(name: str, title: str, named: Iterable[tuple[str, int]]) -> Chart:
    ranked = sorted(named, key=lambda one: one[1], reverse=True)
    total = sum(tokens for _name, tokens in ranked)
    says = _("%(name)s used most: %(share)s %% of %(total)s tokens.")
    return Chart(
        name=name,
        title=title,
        says=says
        % {
            "name": ranked[0][0],
            "share": round(100 * ranked[0][1] / total),
            "total": f"{total:,}",
        }
        if total
        else "",
        kind="bars",
        unit=_("tokens"),
        columns=[_("Tokens")],
        rows=[(name, [float(tokens)]) for name, tokens in ranked],
    )
