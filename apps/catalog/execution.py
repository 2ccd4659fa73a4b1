"""What a worker does for models that are to come here: fetch the files, compare them, take them in.

A worker may die at any byte. What it has fetched lies under DATA_DIR/models/.fetching; whoever goes on
continues from there. The row says who may: a worker's word holds for LEASE after its last sign of life.
"""

import logging
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from apps.catalog import outlook, registry
from apps.catalog.gathering import Gathering, Paused, Withdrawn, gather
from apps.catalog.hub import HubUnreachable
from apps.catalog.models import ModelImport, Trial, Variant
from apps.catalog.outlook import ModelRefused
from apps.organizations import audit
from inferencecloud.artifacts import intake
from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import Artifact, write_manifest

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
AGAIN_AFTER = timedelta(seconds=20)  # a hub that did not answer is asked once more
ATTEMPTS = 10  # one after another that brought nothing
LOOKED_AT_FOR = timedelta(days=1)
FAILED_KEPT_FOR = timedelta(days=7)  # its files, so that it can go on
TRIALS_KEPT_FOR = timedelta(days=1)
Status = ModelImport.Status


def fetching_root() -> Path:
    """Return the folder of what is not complete."""
    return Path(settings.DATA_DIR) / "models" / ".fetching"


def fetch(import_id: UUID) -> bool:
    """Fetch a model's files and take it in; say whether another call is to go on at once."""
    one = _claim(import_id)
    if one is None:
        return False
    folder = fetching_root() / str(one.pk)
    work = Gathering(one=one, folder=folder)
    try:
        gather(work)
        _take_in(one, folder)
    except Withdrawn:
        _forget_cancelled(import_id, folder)
    except Paused:
        _let_go(one, status=Status.WAITING)
        return True
    except HubUnreachable as problem:
        _wait_for_hub(one, str(problem), brought=work.brought)
    except (ModelRefused, ArtifactError) as problem:
        _let_go(one, status=Status.FAILED, error=str(problem))
    except OSError as problem:
        logger.warning("could not fetch %s", one, exc_info=True)
        reason = _("The files could not be written: %(why)s") % {"why": problem.strerror or problem}
        _let_go(one, status=Status.FAILED, error=reason)
    except Exception:  # whatever it is, the page must not say for ever that it is under way
        logger.exception("could not fetch %s", one)
        _let_go(one, status=Status.FAILED, error=_("Something broke here; the log says what."))
    return False


def _claim(import_id: UUID) -> ModelImport | None:
    """Return the import, ours from now on; None when it is somebody's, or nobody wants it."""
    now, holder = timezone.now(), uuid4().hex
    free = Q(status=Status.WAITING) | Q(status=Status.RUNNING, moved_at__lt=now - LEASE)
    taken = ModelImport.objects.filter(free, pk=import_id).update(
        status=Status.RUNNING, holder=holder, moved_at=now, error=""
    )
    return ModelImport.objects.get(pk=import_id) if taken else None


def _let_go(one: ModelImport, *, status: str, error: str = "", attempts: int = 0) -> None:
    """Say how it ended for now, unless others hold it, or it was cancelled."""
    now = timezone.now()
    ModelImport.objects.filter(pk=one.pk, holder=one.holder, status=Status.RUNNING).update(
        status=status,
        error=error,
        attempts=attempts,
        holder="",
        bytes_per_s=None,
        moved_at=now,
        finished_at=now if status == Status.FAILED else None,
    )


def _wait_for_hub(one: ModelImport, why: str, *, brought: int) -> None:
    attempts = 1 if brought else one.attempts + 1
    is_over = attempts >= ATTEMPTS
    status = Status.FAILED if is_over else Status.WAITING
    _let_go(one, status=status, error=why, attempts=0 if is_over else attempts)


def _take_in(one: ModelImport, folder: Path) -> None:
    """Check what was fetched, give it its place and its manifest, and enter it into the catalog."""
    for path in folder.glob("*.safetensors"):
        intake.check_weights(path)
    artifact = write_manifest(
        folder, name=one.name, licence=one.licence, context_tokens=one.context_tokens
    )
    place = _settle(one, artifact)
    found = replace(registry.find_artifact(place), manifest=artifact.manifest)
    with transaction.atomic():
        variant = registry.register(found=found, family=_family(one), name=one.name)
        now = timezone.now()
        ours = ModelImport.objects.filter(pk=one.pk, holder=one.holder, status=Status.RUNNING)
        is_ours = ours.update(
            status=Status.READY,
            variant=variant,
            parameters=artifact.manifest.parameters,
            done_bytes=one.size_bytes,
            bytes_per_s=None,
            holder="",
            moved_at=now,
            finished_at=now,
        )
        if not is_ours:
            transaction.set_rollback(True)
        else:
            audit.record(
                verb="model.imported",
                actor=one.requested_by,
                organization=one.organization,
                target=variant,
                data={"origin": str(one), "digest": variant.digest, "licence": one.licence},
            )
    if not Variant.objects.filter(root=Variant.Root.DATA, path=place).exists():
        # It was cancelled at the last moment, or is here already from another place.
        shutil.rmtree(Path(settings.DATA_DIR) / place, ignore_errors=True)


def _family(one: ModelImport) -> str:
    """Return the slug of its family: the same model from the same owner is its next version."""
    name = one.origin if one.source == ModelImport.Source.HUB else one.name
    return slugify(name.replace("/", "-").replace(".", "-"))[:60] or "model"


def _settle(one: ModelImport, artifact: Artifact) -> str:
    """Move the folder to its place; return that, from DATA_DIR on."""
    path = f"models/{_family(one)}-{artifact.manifest.digest[:12]}"
    target = Path(settings.DATA_DIR) / path
    if target.exists():  # the same bytes, by an earlier import
        shutil.rmtree(artifact.folder)
    else:
        artifact.folder.rename(target)
    return path


def _forget_cancelled(import_id: UUID, folder: Path) -> None:
    """Remove the files of an import that was cancelled; one that others hold is left to them."""
    if ModelImport.objects.filter(pk=import_id, status=Status.CANCELLED).exists():
        shutil.rmtree(folder, ignore_errors=True)


def overlooked(now: datetime | None = None) -> list[UUID]:
    """Return the imports that no worker is at: it died, none was told, or the hub was away."""
    now = now or timezone.now()
    due = Q(status=Status.WAITING, moved_at__lt=now - AGAIN_AFTER)
    due |= Q(status=Status.RUNNING, moved_at__lt=now - LEASE)
    return list(ModelImport.objects.filter(due).values_list("pk", flat=True))


def tidy(now: datetime | None = None) -> None:
    """Let go of what nobody came back to: imports only looked at, files of failed ones, trials."""
    now = now or timezone.now()
    ModelImport.objects.filter(status=Status.FOUND, created_at__lt=now - LOOKED_AT_FOR).delete()
    Trial.objects.filter(created_at__lt=now - TRIALS_KEPT_FOR).delete()
    if not fetching_root().is_dir():
        return
    going_on = ModelImport.objects.filter(
        Q(status__in=[Status.WAITING, Status.RUNNING])
        | Q(status=Status.FAILED, moved_at__gte=now - FAILED_KEPT_FOR)
    )
    wanted = {str(pk) for pk in going_on.values_list("pk", flat=True)}
    for folder in fetching_root().iterdir():
        if folder.name not in wanted:
            shutil.rmtree(folder, ignore_errors=True)


def refuse_without_room(one: ModelImport) -> None:
    """Raise ModelRefused where the disk has no room for what is still to come."""
    folder = fetching_root() / str(one.pk)
    here = sum(path.stat().st_size for path in folder.glob("*")) if folder.is_dir() else 0
    outlook.refuse_without_room(max(0, one.size_bytes - here))
