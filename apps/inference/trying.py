"""Have a model write a short text, so that a person sees whether it is any good.

It must not disturb what serves: it is refused where there is no room, waits behind everybody's texts,
and its model is unloaded afterwards unless something serves with it.
"""

import logging
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.catalog import services as catalog
from apps.catalog.models import Deployment, Trial, Variant
from apps.catalog.outlook import as_size
from apps.core.errors import DomainError
from apps.inference import host, memory
from apps.inference.specs import NO_REPEAT_NGRAM_SIZE, REPETITION_PENALTY, most_tokens
from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.engine import EngineError, Message, ModelInfo, Request, Role, Sampling, Text

logger = logging.getLogger(__name__)

NEW_TOKENS = 120
DEADLINE_S = 180.0
TELL_EVERY_S = 0.4
LAST_IN_LINE = 100  # everybody else's texts come first
GIVEN_UP_AFTER = timedelta(
    minutes=6
)  # without getting further: its worker has died, or there is none
Status = Trial.Status


class NoRoomForTrial(DomainError):
    """The model would push out what serves."""


def write(trial_id: UUID) -> None:
    """Write the trial's text; one that was begun, or is over, stays as it is."""
    waiting = Trial.objects.filter(pk=trial_id, status=Status.WAITING)
    if not waiting.update(status=Status.RUNNING, moved_at=timezone.now()):
        return
    trial = Trial.objects.select_related("variant__version").get(pk=trial_id)
    try:
        _write(trial)
    except (EngineError, ArtifactError, DomainError, OSError) as problem:
        logger.warning("could not try %s", trial.variant, exc_info=True)
        _end(trial, status=Status.FAILED, error=str(problem))
    except Exception:  # whatever it is, the page must not say for ever that it is under way
        logger.exception("could not try %s", trial.variant)
        error = _("The model cannot be run here. The log of the worker says why.")
        _end(trial, status=Status.FAILED, error=error)
    finally:
        _unload_unless_serving(trial.variant)


def _write(trial: Trial) -> None:
    stands_for = Deployment(variant=trial.variant)  # never saved: it serves nobody
    if host.loaded(stands_for) is None:
        refuse_without_room(trial.variant)
    info = host.load(stands_for)
    catalog.record_speed(
        variant=trial.variant,
        context_tokens=info.context_tokens,
        decode_per_s=info.decode_tokens_per_s,
        prefill_per_s=info.prefill_tokens_per_s,
    )
    _follow(trial, info)


def refuse_without_room(variant: Variant) -> None:
    """Raise NoRoomForTrial where loading the variant would take memory that others need."""
    serving = {str(pk) for pk in _serving().values_list("variant_id", flat=True)}
    loaded = [info for info in host.models() if info.key in serving]
    if len(loaded) >= settings.ENGINE_MODELS_KEPT:
        raise NoRoomForTrial(
            _(
                "%(count)s models are loaded for people's texts, as many as ENGINE_MODELS_KEPT allows. "
                "This one would push one of them out, so it was not loaded."
            )
            % {"count": len(loaded)}
        )
    free, needed = memory.free_bytes(), memory.needed_bytes(variant)
    if free is not None and needed > free:
        raise NoRoomForTrial(
            _(
                "This model needs about %(needed)s of memory, and %(free)s are free beside what writes "
                "people's texts. Take a smaller model, or 8 bits (manage.py quantize), or a larger machine."
            )
            % {"needed": as_size(needed), "free": as_size(free)}
        )


def _follow(trial: Trial, info: ModelInfo) -> None:
    """Keep what is written, some times a second, until it has ended."""
    stage = host.submit([_request(trial, info)])
    text, told_at, began_at = "", 0.0, time.monotonic()
    while not stage.finished:
        for delta in stage.poll(timeout_s=TELL_EVERY_S):
            text += delta.text
            finish = delta.finish
            if finish is not None and finish.error is not None:
                raise finish.error
            if finish is not None:
                writing_s = finish.total_s - (finish.first_token_s or 0.0)
                speed = (finish.new_tokens - 1) / writing_s if writing_s > 0 else None
                _end(trial, status=Status.DONE, text=text, tokens=finish.new_tokens, speed=speed)
        now = time.monotonic()
        if now - told_at >= TELL_EVERY_S:
            told_at = now
            Trial.objects.filter(pk=trial.pk, status=Status.RUNNING).update(
                text=text, moved_at=timezone.now()
            )
        if now - began_at > 2 * DEADLINE_S:
            stage.cancel()
            raise NoRoomForTrial(_("Others' texts came first for too long. Try once more later."))


def _request(trial: Trial, info: ModelInfo) -> Request:
    return Request(
        id=f"trial-{trial.pk}",
        model=info.key,
        messages=(Message(role=Role.USER, segments=(Text(trial.prompt),)),),
        sampling=Sampling(  # as a cell writes that nobody has set otherwise
            temperature=0.6,
            top_p=0.9,
            repetition_penalty=REPETITION_PENALTY,
            no_repeat_ngram_size=NO_REPEAT_NGRAM_SIZE,
            max_new_tokens=most_tokens(NEW_TOKENS),
            aim_tokens=NEW_TOKENS,
            seed=trial.pk.int % 2**31,
        ),
        owner=str(trial.organization_id),
        priority=LAST_IN_LINE,
        deadline_s=DEADLINE_S,
    )


def _end(
    trial: Trial,
    *,
    status: str,
    text: str = "",
    error: str = "",
    tokens: int = 0,
    speed: float | None = None,
) -> None:
    said = {"text": text} if text else {}  # what a failed one wrote before stays to be seen
    Trial.objects.filter(pk=trial.pk, status=Status.RUNNING).update(
        status=status,
        error=error,
        new_tokens=tokens,
        tokens_per_s=speed,
        moved_at=timezone.now(),
        **said,
    )


def _serving() -> QuerySet[Deployment]:
    return Deployment.objects.filter(retired_at__isnull=True)


def _unload_unless_serving(variant: Variant) -> None:
    is_tried = Trial.objects.filter(variant=variant, status=Status.RUNNING).exists()
    if not is_tried and not _serving().filter(variant=variant).exists():
        host.unload(variant)


def give_up(now: datetime | None = None) -> None:
    """End the trials of workers that died, and those that no worker took."""
    now = now or timezone.now()
    left = Trial.objects.filter(status__in=[Status.WAITING, Status.RUNNING])
    left.filter(moved_at__lt=now - GIVEN_UP_AFTER).update(
        status=Status.FAILED, error=_("No worker went on with it. Try once more."), moved_at=now
    )
