"""What a worker does: claim a stage, have the engine write it, tell everyone, commit what is finished.

Nothing here is safe from dying. All that counts is in the database, behind leases (transitions.py); a
stage that ends halfway is claimed again by somebody else and goes on from its checkpoints.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillBusy
from uuid import UUID

import structlog
from django.utils import timezone

from apps.catalog import services as catalog
from apps.catalog.models import Deployment
from apps.inference import (
    failures,
    graph,
    host,
    owners,
    prompts,
    selectors,
    slots,
    stops,
    transitions,
    wake,
)
from apps.inference.conf import tempo
from apps.inference.failures import Failure
from apps.inference.faults import faultpoint
from apps.inference.models import Output, Run, RunStatus, StepRun, StepStatus
from apps.inference.writing import Writer, as_failure
from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.engine import EngineError, ModelInfo, Stage

logger = logging.getLogger(__name__)


class StageLost(Exception):
    """The process is to end, or others hold our steps: no more words from us."""


class RunStopped(StageLost):
    """Somebody stopped the run: its words are of no use any more."""


def run_stage(*, run_id: str, pool: str) -> None:
    """Write the run's next stage of the pool; doing it twice is the same as doing it once."""
    if stops.draining.is_set():
        return
    with slots.place(pool) as is_free:
        if is_free:
            _run_stage(run_id, pool)
    if is_free and slots.has_turned_away(pool) and not _call_next(pool):
        slots.forget_turned_away(pool)


def _run_stage(run_id: str, pool: str) -> None:
    owner = owners.mine()
    faultpoint("before_claim")
    steps = transitions.claim(run_id=run_id, pool=pool, owner=owner, now=timezone.now())
    if steps:
        faultpoint("after_claim")
        is_over = _hold(steps[0].run, owner, steps)
    else:
        is_over = transitions.settle(run_id=run_id, now=timezone.now())
    if not is_over:
        wake.stages(run_id)


def _call_next(pool: str) -> bool:
    """Call for the oldest run that can go on in the pool; False when there is none.

    Its own call found this process busy.
    """
    waiting = StepRun.objects.filter(pool=pool, status=StepStatus.QUEUED).filter(
        run__status=RunStatus.RUNNING
    )
    runs = waiting.order_by("run_id").values_list("run_id", flat=True).distinct()
    return any(pool in wake.stages(run_id) for run_id in runs[:50])


def _hold(run: Run, owner: str, steps: list[StepRun]) -> bool:
    """Write what was claimed; say whether the run is over. Whatever happens, nothing stays held."""
    stops.listen(run.pk)
    told = {"run_id": str(run.pk), "steps": [str(step.pk) for step in steps]}
    try:
        with structlog.contextvars.bound_contextvars(
            **told
        ):  # in every line that is logged meanwhile
            _write(run, owner, steps)
    except StageLost:
        logger.info("stage of run %s ends early", run.pk)
    finally:
        is_over = transitions.leave(run_id=run.pk, owner=owner, now=timezone.now())
        stops.leave(run.pk)
    return is_over


def _write(run: Run, owner: str, steps: list[StepRun]) -> None:
    watch = Watch(run=run, owner=owner)
    models, writable = _load_all(steps, watch)
    faultpoint("after_load")
    if not writable:
        return
    outputs = _committed(run, writable)
    stage, writings = _submit(writable, models, outputs)
    if stage is None:
        return
    faultpoint("after_submit")
    writer = Writer(owner=owner, writings=writings, outputs=outputs)
    _drive(stage, writer, watch)


def _committed(run: Run, steps: list[StepRun]) -> dict[str, dict[int, Output]]:
    """Return the outputs that the steps can read or have already; a first attempt has none."""
    inside = {step.key for step in steps}
    if all(step.attempt == 1 and inside.issuperset(step.depends_on) for step in steps):
        return {step.key: {} for step in steps}
    return selectors.outputs_by_step(list(run.steps.select_related("cached_output")))


class Watch:
    """Looks up between tokens: is the run stopped, do the steps still belong to us?"""

    def __init__(self, *, run: Run, owner: str) -> None:
        self._run = run
        self._owner = owner
        self._tempo = tempo()
        self._looked_at = self._beat_at = time.monotonic()

    def look(self, open_steps: set[UUID]) -> None:
        """Keep the lease alive; raise StageLost when there is no reason to go on."""
        now = time.monotonic()
        if stops.is_stopped(self._run.pk):
            raise RunStopped
        if stops.draining.is_set():
            raise StageLost
        if now - self._looked_at >= self._tempo.cancel_poll_s:
            self._looked_at = now
            if Run.objects.filter(pk=self._run.pk, cancel_requested_at__isnull=False).exists():
                raise RunStopped
        if now - self._beat_at >= self._tempo.heartbeat_s:
            self._beat_at = now
            held = transitions.renew(owner=self._owner, now=timezone.now())
            if not open_steps <= held:
                raise StageLost


def _load_all(steps: list[StepRun], watch: Watch) -> tuple[dict[object, ModelInfo], list[StepRun]]:
    """Return the loaded models by deployment, and the steps that can be written with them."""
    models: dict[object, ModelInfo] = {}
    missing: dict[object, Failure] = {}
    ids = {step.pk for step in steps}
    for deployment in {step.deployment_id: step.deployment for step in steps}.values():
        if deployment is None:
            continue
        try:
            models[deployment.pk] = _load(deployment, lambda: watch.look(ids))
        except (EngineError, ArtifactError, OSError) as problem:
            logger.warning("could not load %s", deployment, exc_info=True)
            missing[deployment.pk] = Failure(
                code=failures.MODEL_MISSING, data={"reason": str(problem)}
            )
    return models, _without(steps, missing)


def _load(deployment: Deployment, look: Callable[[], None]) -> ModelInfo:
    """Return the model; while it loads, the lease stays alive and Stop is heard."""
    known = host.loaded(deployment)
    if known is not None:
        return known
    loader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="load")
    loading = loader.submit(host.loader(deployment))
    loader.shutdown(wait=False)
    while True:
        try:
            info = loading.result(timeout=tempo().cancel_poll_s)
            break
        except StillBusy:
            look()
    _keep_speed(deployment, info)
    return info


def _keep_speed(deployment: Deployment, info: ModelInfo) -> None:
    catalog.record_speed(
        variant=deployment.variant,
        context_tokens=info.context_tokens,
        decode_per_s=info.decode_tokens_per_s,
        prefill_per_s=info.prefill_tokens_per_s,
    )


def warm(pools: list[str]) -> None:
    """Load what is deployed to the pools, so that the first step need not wait for it."""
    live = Deployment.objects.filter(retired_at__isnull=True, pool__in=pools)
    for deployment in live.select_related("variant__version"):
        try:
            if host.loaded(deployment) is None:
                _keep_speed(deployment, host.load(deployment))
        except (EngineError, ArtifactError, OSError):
            logger.warning("could not load %s", deployment, exc_info=True)


def _without(steps: list[StepRun], missing: dict[object, Failure]) -> list[StepRun]:
    """Fail the steps whose model is missing, and what reads them; return the others."""
    nodes = wake.nodes(steps)
    inside = {node.key for node in nodes}
    nodes = [
        graph.Node(
            key=node.key,
            pool=node.pool,
            status=node.status,
            depends_on=tuple(inside.intersection(node.depends_on)),
        )
        for node in nodes
    ]
    gone: set[str] = set()
    for step in steps:
        failure = missing.get(step.deployment_id)
        if failure is None or step.key in gone:
            continue
        transitions.fail(step=step, failure=failure, now=timezone.now())
        readers = graph.readers_of(nodes, [step.key]) - gone
        for reader in (one for one in steps if one.key in readers):
            because = failures.because_of(
                step.label or step.key, is_elsewhere=reader.topic != step.topic
            )
            transitions.fail(step=reader, failure=because, now=timezone.now())
        gone |= {step.key, *readers}
    return [step for step in steps if step.key not in gone]


def _submit(
    steps: list[StepRun], models: dict[object, ModelInfo], outputs: dict[str, dict[int, Output]]
) -> tuple[Stage | None, dict[str, prompts.Writing]]:
    """Hand the steps to the engine at once.

    A request that is wrong in itself spoils the whole call: then the first step goes alone, the others
    are claimed again afterwards, and the wrong one ends with its reason when its turn comes.
    """
    around = prompts.Around(steps={step.key: step for step in steps}, outputs=outputs)
    for some in (steps, steps[:1]):
        writings = prompts.writings(some, outputs)
        try:
            requests = [
                prompts.request(one, models[one.step.deployment_id].key, around)
                for one in writings.values()
            ]
            return host.submit(requests), writings
        except EngineError as problem:
            wrong = problem
    transitions.fail(step=steps[0], failure=as_failure(wrong), now=timezone.now())
    return None, {}


def _drive(stage: Stage, writer: Writer, watch: Watch) -> None:
    """Take what the engine writes until everything has ended; keep the lease alive meanwhile."""
    try:
        while not stage.finished:
            for delta in stage.poll(timeout_s=writer.pause_s()):
                if not writer.take(delta):
                    raise StageLost
            if not writer.rest():
                raise StageLost
            watch.look(writer.open_steps)
    except RunStopped:
        raise
    except StageLost:
        writer.rest(everything=True)
        raise
    finally:
        stage.cancel()
