"""Tell others what happened: at least once each, in order per subject, whatever dies in between.

A consumer registers a name and a function by its dotted path (in its app's `ready`); the function gets
a Message (or several, where it wants them so), commits what it does, and must take the same message
twice without harm.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.module_loading import import_string

from apps.inference import wake
from apps.inference.conf import tempo
from apps.inference.faults import faultpoint
from apps.inference.models import Delivery, OutboxRow, Run
from apps.inference.specs import Subject

logger = logging.getLogger(__name__)

TRIES = 12  # with the pauses between them, about two hours
PAUSE_LIMIT_S = 1800.0

AT_ONCE = 50  # messages, to a consumer that takes several


@dataclass(frozen=True, kw_only=True)
class _Consumer:
    """Who wants to be told: a function of a Message, or of a list of them."""

    path: str
    in_batches: bool


_consumers: dict[str, _Consumer] = {}


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a consumer is told."""

    id: int
    kind: str
    organization_id: str
    subject: Subject
    payload: dict[str, Any]


def register(name: str, path: str, *, in_batches: bool = False) -> None:
    """Deliver every later event to the function at the dotted path, under this lasting name.

    With `in_batches` the function takes a list: what waits of one subject, in order. It commits all of
    it or nothing; when it raises, each of them comes again alone.
    """
    _consumers[name] = _Consumer(path=path, in_batches=in_batches)


def unregister(name: str) -> None:
    """Forget a consumer."""
    _consumers.pop(name, None)


def add(*, run: Run, kind: str, payload: dict[str, Any]) -> OutboxRow:
    """Keep the event within the caller's transaction; call for delivery once it is committed."""
    row = OutboxRow.objects.create(
        organization_id=run.organization_id,
        subject_kind=run.subject_kind,
        subject_id=run.subject_id,
        kind=kind,
        payload=payload,
    )
    Delivery.objects.bulk_create(Delivery(row=row, consumer=name) for name in _consumers)
    if _consumers:
        transaction.on_commit(wake.deliveries, robust=True)
    return row


def deliver(*, limit: int = 500) -> int:
    """Deliver what is due; return how much was. Any number of processes may do so at once.

    Whoever finds an event held by another gives way to it; so each looks again until nothing has changed,
    or what was committed in between would wait for the reconciler.
    """
    delivered, before = 0, set[int]()
    while True:
        waiting = _open_deliveries(limit)
        still_open = {one.pk for one in waiting}
        if still_open == before:
            return delivered
        before = still_open
        lanes: dict[tuple[str, str, str], list[Delivery]] = {}
        for delivery in waiting:
            lane = (delivery.consumer, delivery.row.subject_kind, delivery.row.subject_id)
            lanes.setdefault(lane, []).append(delivery)
        delivered += sum(_deliver_lane(some) for some in lanes.values())


def _open_deliveries(limit: int) -> list[Delivery]:
    waiting = Delivery.objects.filter(
        consumer__in=list(_consumers), delivered_at__isnull=True, given_up_at__isnull=True
    )
    return list(waiting.select_related("row").order_by("row_id")[:limit])


def _deliver_lane(waiting: list[Delivery]) -> int:
    """Tell a consumer of one subject's events in order, up to the first that does not go through."""
    at_once = AT_ONCE if _consumers[waiting[0].consumer].in_batches else 1
    delivered = 0
    for start in range(0, len(waiting), at_once):
        some = waiting[start : start + at_once]
        through = _hand_over(_take(some, timezone.now()))
        delivered += through
        if through < len(some):
            break
    return delivered


@transaction.atomic
def _take(some: list[Delivery], now: datetime) -> list[Delivery]:
    """Keep others away while we hand these over, up to one where somebody was first or a pause is on.

    A consumer that takes longer than a lease lasts may be called a second time. A pause that is longer
    than any can be was written before the clock was put back.
    """
    latest = now + timedelta(seconds=max(PAUSE_LIMIT_S, tempo().lease_s))
    free = Delivery.objects.select_for_update(no_key=True).filter(
        Q(not_before__lte=now) | Q(not_before__gt=latest),
        pk__in=[one.pk for one in some],
        delivered_at__isnull=True,
        given_up_at__isnull=True,
    )
    tries = dict(free.order_by("pk").values_list("pk", "tries"))
    taken = list(takewhile(lambda one: one.pk in tries, some))
    for one in taken:
        one.tries = tries[one.pk] + 1
    Delivery.objects.filter(pk__in=[one.pk for one in taken]).update(
        tries=F("tries") + 1, not_before=now + timedelta(seconds=tempo().lease_s)
    )
    return taken


def _hand_over(taken: list[Delivery]) -> int:
    """Tell the consumer; return how many went through, the first of them first."""
    problem = _consume(taken) if taken else None
    if problem is None:
        return len(taken)
    if len(taken) == 1:
        _put_off(taken[0], problem)
        return 0
    through = 0
    for one in taken:  # one of them is at fault: each alone
        if not _hand_over([one]):
            break
        through += 1
    _give_back(taken[through + 1 :])
    return through


def _consume(taken: list[Delivery]) -> Exception | None:
    """Call the consumer and note that it was told; return what it raised."""
    consumer = _consumers[taken[0].consumer]
    consume: Callable[[Any], None] = import_string(consumer.path)
    messages = [_message(one.row) for one in taken]
    faultpoint("before_delivery")
    try:
        consume(messages if consumer.in_batches else messages[0])
    except Exception as problem:  # a consumer's bug must not stop the others' events
        logger.exception("%s could not take %s", taken[0].consumer, taken[0].row)
        return problem
    faultpoint("after_delivery")
    Delivery.objects.filter(pk__in=[one.pk for one in taken]).update(
        delivered_at=timezone.now(), error=""
    )
    return None


def _message(row: OutboxRow) -> Message:
    return Message(
        id=row.pk,
        kind=row.kind,
        organization_id=str(row.organization_id),
        subject=row.subject,
        payload=row.payload,
    )


def _give_back(untold: list[Delivery]) -> None:
    """Let go of what stands behind one that did not go through: it was no try."""
    Delivery.objects.filter(pk__in=[one.pk for one in untold]).update(
        tries=F("tries") - 1, not_before=timezone.now()
    )


def _put_off(delivery: Delivery, problem: Exception) -> None:
    now = timezone.now()
    pause = min(2.0 ** (delivery.tries - 1), PAUSE_LIMIT_S)
    Delivery.objects.filter(pk=delivery.pk).update(
        error=f"{type(problem).__name__}: {problem}"[:300],
        not_before=now + timedelta(seconds=pause),
        given_up_at=now if delivery.tries >= TRIES else None,
    )
