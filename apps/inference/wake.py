"""Call the workers, by the names of their tasks. A call may get lost: the reconciler calls again."""

import logging
from collections.abc import Iterable
from uuid import UUID

from django.utils import timezone
from kombu.exceptions import OperationalError

from apps.inference import graph
from apps.inference.models import Run, StepRun
from inferencecloud.celery import app as celery

logger = logging.getLogger(__name__)

RUN_STAGE = "apps.inference.tasks.run_stage"
DELIVER = "apps.inference.tasks.deliver"
EXPIRES_S = 600  # a call that waited so long has been repeated many times


def nodes(steps: Iterable[StepRun]) -> list[graph.Node]:
    """Return the steps as the graph sees them."""
    return [
        graph.Node(
            key=step.key, pool=step.pool, status=step.status, depends_on=tuple(step.depends_on)
        )
        for step in steps
    ]


def stages(run_id: UUID | str) -> list[str]:
    """Call a worker for every pool that has something to begin with; return the pools."""
    steps = StepRun.objects.filter(run_id=run_id).only("key", "pool", "status", "depends_on")
    pools = graph.ready_pools(nodes(steps))
    call(run_id, pools)
    if pools:
        Run.objects.filter(pk=run_id).update(woken_at=timezone.now())
    return pools


def call(run_id: UUID | str, pools: Iterable[str]) -> None:
    """Call a worker of each pool for the run."""
    for pool in pools:
        _send(RUN_STAGE, queue=pool, run_id=str(run_id), pool=pool)


def deliveries() -> None:
    """Call somebody to deliver what the outbox holds."""
    _send(DELIVER, queue="default")


def _send(name: str, *, queue: str, **arguments: str) -> None:
    try:
        celery.send_task(
            name, kwargs=arguments, queue=queue, expires=EXPIRES_S, retry=False, ignore_result=True
        )
    except (OperationalError, OSError):
        logger.warning("could not call for %s; the reconciler will", name, exc_info=True)
