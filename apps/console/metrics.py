"""What /metrics says of the whole instance: read from database and cache when somebody asks.

A handful of queries, each along an index or ending at a limit; asked once in KEPT_S seconds, however many
processes are scraped. docs/metrics.md tells what each figure means.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.db import DatabaseError
from django.db.models import Count, Exists, Min, OuterRef, QuerySet, Sum
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import RedisError

from apps.accounts.models import User
from apps.console import estate
from apps.console.figures import p95
from apps.console.health import NOW
from apps.inference import heartbeat
from apps.inference.models import Delivery, Output, Run, RunStatus, Usage
from apps.notebooks import settling
from apps.notebooks.models import Contribution, Notebook
from apps.operations.selectors import last_backup
from apps.organizations.models import Organization

KEPT_S = 5
LATELY = timedelta(minutes=10)
SAMPLE = 1_000  # outputs that the speed is read from
COUNT_LIMIT = 1_000  # of what is counted row by row
PREFIX = "inferencecloud_"

Sample = tuple[dict[str, str], float]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """A figure of the instance, and how it is read."""

    name: str
    says: str
    read: Callable[[datetime], list[Sample]]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EngineFigure:
    """A number of an engine, as its worker told it."""

    field: str  # of the engine's own metrics
    says: str
    is_counter: bool = False


def _steps(_now: datetime) -> list[Sample]:
    return [
        ({"pool": pool.name, "state": state}, float(count))
        for pool in estate.pools()
        for state, count in (("waiting", pool.waiting), ("held", pool.held))
    ]


def _runs_now(_now: datetime) -> list[Sample]:
    going_on = Run.objects.going_on().order_by().values("status").annotate(count=Count("pk"))
    counted = {one["status"]: one["count"] for one in going_on}
    return [
        ({"state": str(state)}, float(counted.get(state, 0)))
        for state in (RunStatus.QUEUED, RunStatus.RUNNING)
    ]


def _runs_lately(now: datetime) -> list[Sample]:
    counted = _states(now)
    return [({"state": str(state)}, float(counted.get(state, 0))) for state in RunStatus.values]


def _error_ratio(now: datetime) -> list[Sample]:
    counted = _states(now)
    failed = counted.get(RunStatus.FAILED, 0)
    over = failed + counted.get(RunStatus.SUCCEEDED, 0)
    return [({}, failed / over)] if over else []


def _states(now: datetime) -> dict[str, int]:
    recent = Run.objects.filter(created_at__gte=now - LATELY).order_by()
    return {one["status"]: one["n"] for one in recent.values("status").annotate(n=Count("pk"))}


def _oldest_run(now: datetime) -> list[Sample]:
    waiting = Run.objects.filter(status=RunStatus.QUEUED).aggregate(since=Min("created_at"))
    return [({}, _age_s(waiting["since"], now))]


def _first_token(now: datetime) -> list[Sample]:
    recent = Output.objects.filter(created_at__gte=now - LATELY).order_by("-created_at")
    waits = [wait for wait in recent.values_list("first_token_s", flat=True)[:SAMPLE] if wait]
    value = p95(waits)
    return [] if value is None else [({}, value)]


def _tokens_today(now: datetime) -> list[Sample]:
    today = datetime.combine(now.astimezone(UTC).date(), time.min, UTC)
    sums = Usage.objects.filter(at__gte=today).aggregate(
        read=Sum("prompt_tokens"), written=Sum("new_tokens")
    )
    return [({"kind": kind}, float(sums[kind] or 0)) for kind in ("read", "written")]


def _people(now: datetime) -> list[Sample]:
    seen = UserSession.objects.filter(user=OuterRef("pk"), last_seen_at__gte=now - NOW)
    wrote = Contribution.objects.filter(user=OuterRef("pk"), last_at__gte=now - NOW)
    return [({}, float(User.objects.filter(Exists(seen) | Exists(wrote)).count()))]


def _notebooks(now: datetime) -> list[Sample]:
    everybody = list(Organization.objects.values_list("pk", flat=True))  # along notebook_by_edit
    live = Notebook.objects.filter(organization__in=everybody, edited_at__gte=now - NOW)
    return [({}, float(live.count()))]


def _outbox(_now: datetime) -> list[Sample]:
    waiting = _untold().values("consumer").annotate(count=Count("pk"))
    return [({"consumer": one["consumer"]}, float(one["count"])) for one in waiting]


def _outbox_age(now: datetime) -> list[Sample]:
    oldest = _untold().aggregate(since=Min("row__created_at"))
    return [({}, _age_s(oldest["since"], now))]


def _untold() -> QuerySet[Delivery]:
    """Return what waits, along the index delivery_open."""
    return Delivery.objects.filter(delivered_at__isnull=True, given_up_at__isnull=True).order_by()


def _given_up(_now: datetime) -> list[Sample]:
    return [({}, float(Delivery.objects.filter(given_up_at__isnull=False).count()))]


def _settle(now: datetime) -> list[Sample]:
    return [({}, float(settling.count_waiting(now, COUNT_LIMIT)))]


def _unread(now: datetime) -> list[Sample]:
    return [({}, float(len(settling.unread(now, COUNT_LIMIT))))]


def _backup(now: datetime) -> list[Sample]:
    last = last_backup()
    return [] if last is None else [({}, _age_s(last.finished_at, now))]


def _age_s(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


GAUGES = [
    Gauge(name="steps", says="Steps of runs under way that wait, or that workers hold.",
          read=_steps, labels=("pool", "state")),
    Gauge(name="runs", says="Runs that wait in line or are under way.", read=_runs_now,
          labels=("state",)),
    Gauge(name="recent_runs", says="Runs of the last 10 minutes by their state.",
          read=_runs_lately, labels=("state",)),
    Gauge(name="run_error_ratio", says="Failed share of the ended runs of the last 10 minutes.",
          read=_error_ratio),
    Gauge(name="oldest_waiting_run_seconds", says="Age of the oldest run in line.",
          read=_oldest_run),
    Gauge(name="first_token_p95_seconds", says="Time within which 95 % of texts began, 10 minutes.",
          read=_first_token),
    Gauge(name="tokens_today", says="Tokens since midnight UTC.", read=_tokens_today,
          labels=("kind",)),
    Gauge(name="people_active", says="People seen within 5 minutes.", read=_people),
    Gauge(name="notebooks_live", says="Notebooks edited within 5 minutes.", read=_notebooks),
    Gauge(name="outbox_waiting", says="Deliveries that wait.", read=_outbox, labels=("consumer",)),
    Gauge(name="outbox_oldest_seconds", says="Age of the oldest waiting delivery.",
          read=_outbox_age),
    Gauge(name="outbox_given_up", says="Deliveries that were given up.", read=_given_up),
    Gauge(name="settle_waiting", says="Cells that are due to settle, 1000 at most.", read=_settle),
    Gauge(name="notebooks_unread", says="Notebooks whose cells no worker has read for a minute.",
          read=_unread),
    Gauge(name="backup_age_seconds", says="Age of the last backup.", read=_backup),
]  # fmt: skip

ENGINE = [
    EngineFigure(field="running", says="Requests that are being written."),
    EngineFigure(field="waiting", says="Requests that wait for a place."),
    EngineFigure(field="kv_blocks_used", says="Blocks of the key-value cache in use."),
    EngineFigure(field="kv_blocks_total", says="Blocks of the key-value cache."),
    EngineFigure(field="prefix_hit_tokens", says="Prompt tokens found.", is_counter=True),
    EngineFigure(field="prefix_query_tokens", says="Prompt tokens sought.", is_counter=True),
    EngineFigure(field="drafted_tokens", says="Tokens guessed and checked.", is_counter=True),
    EngineFigure(field="held_tokens", says="Guessed tokens that were right.", is_counter=True),
    EngineFigure(field="preemptions", says="Requests that were put back.", is_counter=True),
    EngineFigure(field="failures", says="Requests that failed in the model.", is_counter=True),
    EngineFigure(field="memory_failures", says="Steps without memory.", is_counter=True),
    EngineFigure(field="generated_tokens", says="Tokens written.", is_counter=True),
    EngineFigure(field="prefill_tokens", says="Prompt tokens computed.", is_counter=True),
    EngineFigure(field="steps", says="Steps of the engine.", is_counter=True),
    EngineFigure(field="last_step_s", says="Seconds that the last step took."),
    EngineFigure(field="stuck", says="1 while the engine makes no headway."),
]


class Instance(Collector):
    """The figures of the instance, for a registry that lives as long as one answer."""

    def collect(self) -> Iterator[Metric]:
        """Yield every family, those without figures too; `database_up` says whether all were read."""
        now = timezone.now()
        read = read_all(now)
        up = GaugeMetricFamily(f"{PREFIX}database_up", "1 where the figures below could be read.")
        up.add_metric([], float(read is not None))
        yield up
        for gauge in GAUGES:
            family = GaugeMetricFamily(PREFIX + gauge.name, gauge.says, labels=gauge.labels)
            for labels, value in (read or {}).get(gauge.name, []):
                family.add_metric([labels[name] for name in gauge.labels], value)
            yield family
        yield from _workers(heartbeat.beats(), now)


def read_all(now: datetime) -> dict[str, list[Sample]] | None:
    """Return every gauge's samples, read within the last KEPT_S; None while the database is away."""
    key = "console.metrics"
    try:
        known: dict[str, list[Sample]] | None = cache.get(key)
    except (OSError, RedisError):
        known = None
    if known is not None:
        return known
    try:
        known = {gauge.name: gauge.read(now) for gauge in GAUGES}
    except DatabaseError as problem:
        logger.warning("the figures of the instance could not be read: %s", problem)
        return None
    try:
        cache.set(key, known, KEPT_S)
    except (OSError, RedisError):
        logger.warning("the figures of the instance could not be kept")
    return known


def _workers(beats: Iterable[heartbeat.Beat], now: datetime) -> Iterator[Metric]:
    beats = list(beats)
    heard = GaugeMetricFamily(
        f"{PREFIX}worker_heard_seconds", "Time since a worker last spoke.", labels=["worker"]
    )
    for beat in beats:
        heard.add_metric([beat.worker], max(0.0, now.timestamp() - beat.at))
    yield heard
    for figure in ENGINE:
        family = _engine_family(figure)
        for beat in beats:
            for model, numbers in beat.engines.items():
                if figure.field in numbers:
                    family.add_metric([beat.worker, model], numbers[figure.field])
        yield family


def _engine_family(figure: EngineFigure) -> CounterMetricFamily | GaugeMetricFamily:
    name = figure.field.removesuffix("_s") + ("_seconds" if figure.field.endswith("_s") else "")
    kind = CounterMetricFamily if figure.is_counter else GaugeMetricFamily
    return kind(f"{PREFIX}engine_{name}", figure.says, labels=["worker", "model"])
