"""What is stored, who works, and what waits for them."""

import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, F, Func, IntegerField, Max, Min, QuerySet, Sum
from django.db.models.functions import Length
from django.utils.translation import gettext as _

from apps.inference import heartbeat
from apps.inference.models import STEP_HELD, Output, RunStatus, StepRun, StepStatus
from apps.notebooks.models import DocSnapshot, DocUpdate, Image, Notebook
from apps.organizations.models import Organization

KEPT_S = 60  # sums over everything that is stored are asked for once a minute at most
QUIET = timedelta(seconds=60)  # a worker that has not spoken for so long has probably died


class Bytes(Func):
    """The length of a text as it is stored, in bytes of UTF-8."""

    function = "OCTET_LENGTH"
    output_field = IntegerField()

    def as_sqlite(self, compiler, connection, **context):  # type: ignore[no-untyped-def]
        """Spell it for SQLite, which got OCTET_LENGTH late."""
        template = "LENGTH(CAST(%(expressions)s AS BLOB))"
        return self.as_sql(compiler, connection, template=template, **context)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One kind of thing that is kept."""

    label: str
    rows: int
    size_bytes: int | None  # None: counted with something else
    says: str


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A process that takes steps; one without work holds none."""

    name: str
    pools: tuple[str, ...]  # none known: it has not told of itself, only of the steps that it holds
    stages: int
    steps: int
    heartbeat_at: datetime | None
    is_quiet: bool


@dataclass(frozen=True, kw_only=True)
class EngineRow:
    """How the engine of a worker stands with one model, as the worker last told."""

    worker: str
    model: str
    numbers: dict[str, float]

    @property
    def blocks_percent(self) -> int | None:
        """Return how much of its key-value cache is in use; None where it has none."""
        return _percent(self.numbers, "kv_blocks_used", "kv_blocks_total")

    @property
    def known_percent(self) -> int | None:
        """Return how much of the prompts it knew from earlier requests."""
        return _percent(self.numbers, "prefix_hit_tokens", "prefix_query_tokens")

    @property
    def is_stuck(self) -> bool:
        """Say whether it makes no headway."""
        return bool(self.numbers.get("stuck"))


def _percent(numbers: dict[str, float], part: str, whole: str) -> int | None:
    if not numbers.get(whole):
        return None
    return round(100 * numbers.get(part, 0) / numbers[whole])


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A queue of steps by the kind of worker that takes them."""

    name: str
    waiting: int  # whose sources may still have to be written
    held: int
    oldest_at: datetime | None


def stored(organization: Organization) -> list[Stored]:
    """Return what the organization keeps."""
    key = f"console.stored.{organization.pk}"
    known: dict[str, tuple[int, int | None]] | None = cache.get(key)
    if known is None:
        known = {name: measure(organization.pk) for name, measure in _MEASURES.items()}
        cache.set(key, known, KEPT_S)
    labels = {
        "documents": (_("Documents"), _("notebooks, those in the trash included")),
        "updates": (_("Updates"), _("every keystroke since the last snapshot")),
        "snapshots": (_("Snapshots"), _("updates that were merged")),
        "images": (_("Pictures"), _("files")),
        "outputs": (_("Texts of models"), _("with the prompts that led to them")),
    }
    return [
        Stored(label=labels[name][0], rows=rows, size_bytes=size, says=labels[name][1])
        for name, (rows, size) in known.items()
    ]


def database_bytes() -> int:
    """Return the size of the whole database, of all organizations."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
        else:
            cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        return int(cursor.fetchone()[0])


def workers(now: datetime, beats: list[heartbeat.Beat]) -> list[Worker]:
    """Return the processes that told of themselves or hold steps now, whosever they are."""
    held: dict[str, list[tuple[str, int, datetime | None]]] = defaultdict(list)
    owners = StepRun.objects.filter(status__in=STEP_HELD).order_by().values("lease_owner")
    for one in owners.annotate(steps=Count("pk"), heard=Max("heartbeat_at")):
        process, _colon, _stage = one["lease_owner"].rpartition(":")
        held[process].append((one["lease_owner"], one["steps"], one["heard"]))
    told = {beat.worker: beat for beat in beats}
    return [
        _worker(name, held.get(name, []), beat=told.get(name), now=now)
        for name in sorted({*held, *told})
    ]


def engines(beats: list[heartbeat.Beat]) -> list[EngineRow]:
    """Return how the workers' engines stand, those that tell."""
    return [
        EngineRow(worker=beat.worker, model=model, numbers=numbers)
        for beat in beats
        for model, numbers in sorted(beat.engines.items())
    ]


def pools() -> list[Pool]:
    """Return what waits for each kind of worker, in runs that have begun."""
    steps = StepRun.objects.filter(run__status=RunStatus.RUNNING).order_by()
    found: dict[str, dict[str, int]] = defaultdict(lambda: {"waiting": 0, "held": 0})
    oldest: dict[str, datetime] = {}
    open_ = steps.filter(status__in=[StepStatus.QUEUED, *STEP_HELD])
    for one in open_.values("pool", "status").annotate(count=Count("pk"), since=Min("queued_at")):
        is_waiting = one["status"] == StepStatus.QUEUED
        found[one["pool"]]["waiting" if is_waiting else "held"] += one["count"]
        if is_waiting:
            oldest[one["pool"]] = one["since"]
    return [
        Pool(name=name, oldest_at=oldest.get(name), **counts)
        for name, counts in sorted(found.items())
    ]


def _worker(
    name: str,
    stages: list[tuple[str, int, datetime | None]],
    *,
    beat: heartbeat.Beat | None,
    now: datetime,
) -> Worker:
    words = [at for _owner, _steps, at in stages if at]
    if beat is not None:
        words.append(datetime.fromtimestamp(beat.at, UTC))
    heard = max(words, default=None)
    return Worker(
        name=name,
        pools=beat.pools if beat else (),
        stages=len(stages),
        steps=sum(steps for _owner, steps, _at in stages),
        heartbeat_at=heard,
        is_quiet=heard is None or now - heard > QUIET,
    )


def _documents(organization: uuid.UUID) -> tuple[int, int | None]:
    return Notebook.objects.filter(organization=organization).count(), None


def _updates(organization: uuid.UUID) -> tuple[int, int | None]:
    own = DocUpdate.objects.filter(document__notebook__organization=organization)
    return _measured(own, Length("payload"))


def _snapshots(organization: uuid.UUID) -> tuple[int, int | None]:
    own = DocSnapshot.objects.filter(document__notebook__organization=organization)
    return _measured(own, Length("state"))


def _images(organization: uuid.UUID) -> tuple[int, int | None]:
    return _measured(Image.objects.filter(notebook__organization=organization), F("size_bytes"))


def _outputs(organization: uuid.UUID) -> tuple[int, int | None]:
    return _measured(Output.objects.filter(organization=organization), Bytes("text"))


def _measured(rows: QuerySet, size: Func | F) -> tuple[int, int | None]:
    sums = rows.aggregate(rows=Count("pk"), size=Sum(size))
    return sums["rows"], sums["size"] or 0


_MEASURES: dict[str, Callable[[uuid.UUID], tuple[int, int | None]]] = {
    "documents": _documents,
    "updates": _updates,
    "snapshots": _snapshots,
    "images": _images,
    "outputs": _outputs,
}
