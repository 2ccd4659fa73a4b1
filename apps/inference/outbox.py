"""Tell others what happened: at least once each, in order per subject, whatever dies in between.

A consumer registers a name and a function by its dotted path (in its app's `ready`); the function gets
a Message, commits what it does, and must take the same message twice without harm.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
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

_consumers: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a consumer is told."""

    id: int
    kind: str
    organization_id: str
    subject: Subject
    payload: dict[str, Any]


def register(name: str, path: str) -> None:
    """Deliver every later event to the function at the dotted path, under this lasting name."""
    _consumers[name] = path


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
    """Deliver what is due; return how much was. Any number of processes may do so at once."""
    delivered = 0
    blocked: set[tuple[str, str, str]] = set()  # an earlier event of theirs is not through yet
    for delivery in _open_deliveries(limit):
        lane = (delivery.consumer, delivery.row.subject_kind, delivery.row.subject_id)
        if lane in blocked:
            continue
        if _take(delivery, timezone.now()) and _hand_over(delivery):
            delivered += 1
        else:
            blocked.add(lane)
    return delivered


def _open_deliveries(limit: int) -> list[Delivery]:
    waiting = Delivery.objects.filter(
        consumer__in=list(_consumers), delivered_at__isnull=True, given_up_at__isnull=True
    )
    return list(waiting.select_related("row").order_by("row_id")[:limit])


def _take(delivery: Delivery, now: datetime) -> bool:
    """Keep others away while we hand it over; False when somebody was first or a pause is on.

    A consumer that takes longer than a lease lasts may be called a second time. A pause that is longer
    than any can be was written before the clock was put back.
    """
    latest = now + timedelta(seconds=max(PAUSE_LIMIT_S, tempo().lease_s))
    taken = Delivery.objects.filter(
        Q(not_before__lte=now) | Q(not_before__gt=latest),
        pk=delivery.pk,
        tries=delivery.tries,
        delivered_at__isnull=True,
        given_up_at__isnull=True,
    ).update(tries=delivery.tries + 1, not_before=now + timedelta(seconds=tempo().lease_s))
    return taken == 1


def _hand_over(delivery: Delivery) -> bool:
    row = delivery.row
    message = Message(
        id=row.pk,
        kind=row.kind,
        organization_id=str(row.organization_id),
        subject=row.subject,
        payload=row.payload,
    )
    consume: Callable[[Message], None] = import_string(_consumers[delivery.consumer])
    faultpoint("before_delivery")
    try:
        consume(message)
    except Exception as problem:  # a consumer's bug must not stop the others' events
        logger.exception("%s could not take %s", delivery.consumer, row)
        _put_off(delivery, problem)
        return False
    faultpoint("after_delivery")
    Delivery.objects.filter(pk=delivery.pk).update(delivered_at=timezone.now(), error="")
    return True


def _put_off(delivery: Delivery, problem: Exception) -> None:
    now = timezone.now()
    tries = delivery.tries + 1
    pause = min(2.0**delivery.tries, PAUSE_LIMIT_S)
    Delivery.objects.filter(pk=delivery.pk).update(
        error=f"{type(problem).__name__}: {problem}"[:300],
        not_before=now + timedelta(seconds=pause),
        given_up_at=now if tries >= TRIES else None,
    )
