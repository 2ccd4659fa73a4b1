"""Let a model come here: look at it, have it fetched, leave it be."""

import re
from dataclasses import asdict
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from apps.accounts.models import User
from apps.catalog import execution, folders, hub, outlook, tasks
from apps.catalog.models import ModelImport
from apps.catalog.outlook import ModelRefused, Outlook
from apps.core.errors import DomainError
from apps.organizations import audit
from apps.organizations.models import Organization

REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
REVISION = re.compile(r"[\w./-]{1,80}", re.ASCII)
PUBLIC_HOSTS = frozenset(
    {"huggingface.co", "www.huggingface.co", "hf.co"}
)  # people copy from there
Status = ModelImport.Status


class NothingToStart(DomainError):
    """The import is under way, or over."""


def outlook_on(text: str) -> Outlook:
    """Return what is known of the model that somebody typed: a hub id, its address, or a folder.

    Raises:
        ModelRefused: It is not there, or cannot be used here; the words say why.
    """
    text = text.strip()
    repository, revision = _hub_id(text)
    if repository and not _is_folder(text):
        found = hub.look(repository, revision)
    elif text.startswith(("http://", "https://")):
        raise ModelRefused(
            _(
                "Wanted the address of a model at %(hub)s, got %(text)s. Nothing else is ever fetched."
            )
            % {"hub": hub.host() or _("a hub (none is set up)"), "text": text}
        )
    else:
        found = folders.look(text)
    outlook.refuse_unusable(found)
    return found


def _is_folder(text: str) -> bool:
    try:
        return bool(folders.folder_at(text))
    except ModelRefused:
        return False


def _hub_id(text: str) -> tuple[str, str]:
    """Return owner/name and revision that the text names; nothing when it names none."""
    parts = urlsplit(text)
    if parts.scheme in {"http", "https"}:
        if parts.netloc not in PUBLIC_HOSTS | {hub.host()}:
            return "", ""
        owner_name, _tree, revision = parts.path.strip("/").partition("/tree/")
        text = f"{owner_name}@{revision}" if revision else owner_name
    repository, _at, revision = text.partition("@")
    is_good = REPOSITORY.fullmatch(repository) and ".." not in repository
    if not is_good or (revision and not REVISION.fullmatch(revision)):
        return "", ""
    return repository, revision


@transaction.atomic
def keep(*, found: Outlook, organization: Organization, by: User) -> ModelImport:
    """Keep what was found, so that a person can decide about it."""
    return ModelImport.objects.create(
        organization=organization,
        requested_by=by,
        source=found.source,
        origin=found.origin[:400],
        revision=found.revision[:80],
        name=found.name,
        licence=found.licence,
        architecture=found.architecture,
        form=found.form,
        parameters=found.parameters,
        context_tokens=found.context_tokens,
        context_possible=found.context_possible,
        files=[asdict(file) for file in found.files],
        size_bytes=found.size_bytes,
    )


@transaction.atomic
def start(*, one: ModelImport, by: User) -> ModelImport:
    """Have the model fetched; one that failed or was cancelled goes on from what is there.

    Raises:
        NothingToStart: It is under way, or here already.
        ModelRefused: The disk has no room for it.
    """
    one = ModelImport.objects.select_for_update().get(pk=one.pk)
    if one.is_under_way or one.status == Status.READY:
        raise NothingToStart(_("This model is being fetched already, or it is here."))
    execution.refuse_without_room(one)
    one.status, one.error, one.attempts, one.holder = Status.WAITING, "", 0, ""
    one.moved_at, one.finished_at = timezone.now(), None
    one.save(update_fields=["status", "error", "attempts", "holder", "moved_at", "finished_at"])
    audit.record(
        verb="model.import_started",
        actor=by,
        organization=one.organization,
        target=one,
        data={"size_bytes": one.size_bytes, "licence": one.licence},
    )
    transaction.on_commit(partial(_call_for, one.pk), robust=True)
    return one


def _call_for(pk: UUID) -> None:
    """Call a worker; the schedule finds what no worker was told about."""
    try:
        tasks.fetch_model.delay(import_id=str(pk))
    except (OperationalError, OSError):
        return


@transaction.atomic
def cancel(*, one: ModelImport, by: User) -> None:
    """Leave the model be: its worker stops within a second or so, and its files go."""
    cancelled = ModelImport.objects.under_way().filter(pk=one.pk)
    if not cancelled.update(
        status=Status.CANCELLED,
        holder="",
        bytes_per_s=None,
        done_bytes=0,
        finished_at=timezone.now(),
    ):
        raise NothingToStart(_("This model is not being fetched any more."))
    audit.record(verb="model.import_cancelled", actor=by, organization=one.organization, target=one)
