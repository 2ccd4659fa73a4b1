"""Register artifacts and put them behind aliases."""

import shutil
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.catalog import sealing, selectors
from apps.catalog.models import (
    DEFAULT_POOL,
    WRITER,
    Deployment,
    ModelFamily,
    ModelVersion,
    RemoteEndpoint,
    Variant,
)
from apps.catalog.registry import find_artifact, register
from apps.core.errors import DomainError
from apps.organizations import audit
from apps.organizations.models import Organization
from inferencecloud.artifacts.manifest import MANIFEST_NAME
from inferencecloud.engine.endpoint import Endpoint

STARTER = "models/starter"  # under BASE_DIR


class FilesGone(DomainError):
    """A model's folder is not there any more."""

    def __init__(self, variant: Variant) -> None:
        super().__init__(
            _(
                "The files of %(name)s are not on this machine any more. Add it again, or choose another."
            )
            % {"name": variant}
        )


class StillServing(DomainError):
    """A model that writes for somebody is not removed."""


class NotRemovable(DomainError):
    """A model is not one that was added here."""


@transaction.atomic
def ensure_starter() -> Deployment | None:
    """Register the model that came with the source and let it write; twice is the same as once.

    Returns None where the source came without a model. A deployment that somebody chose stays; one
    of an older starter gives way to the newer.
    """
    if not (settings.BASE_DIR / STARTER / MANIFEST_NAME).is_file():
        return None
    found = find_artifact(STARTER, root=Variant.Root.SHIPPED)
    current = selectors.shared_deployment(WRITER)
    if current is not None and current.variant.digest == found.manifest.digest:
        return current
    if current is not None and current.variant.root != Variant.Root.SHIPPED:
        return current
    variant = register(found=found, family="starter", name=found.manifest.name)
    return deploy(variant=variant, alias=WRITER, label="Writer")


@transaction.atomic
def register_remote(*, endpoint: Endpoint, by: User | None = None) -> Variant:
    """Return the variant that a server serves, added unless it is known; its key is the one given now."""
    digest = endpoint.digest
    slug = slugify(endpoint.model)[:51] + "-" + digest[:8]
    line, _new = ModelFamily.objects.get_or_create(
        organization=None, slug=slug, defaults={"name": endpoint.model[:80]}
    )
    version, _new = ModelVersion.objects.get_or_create(
        family=line, digest=digest, defaults={"number": 1}
    )
    variant, _new = Variant.objects.get_or_create(
        version=version,
        digest=digest,
        defaults={"name": "remote", "root": Variant.Root.REMOTE, "path": ""},
    )
    RemoteEndpoint.objects.update_or_create(
        variant=variant,
        defaults={
            "base_url": endpoint.base_url,
            "model_name": endpoint.model,
            "key_sealed": sealing.seal(endpoint.api_key),
            "extended": endpoint.extended,
        },
    )
    audit.record(
        verb="model.remote_registered",
        actor=by,
        organization=None,
        target=variant,
        data={"server": endpoint.host, "model": endpoint.model, "has_key": bool(endpoint.api_key)},
    )
    return variant


@dataclass(frozen=True, kw_only=True)
class Place:
    """For whom a deployment answers, and which workers serve it."""

    organization: Organization | None = None
    pool: str = DEFAULT_POOL


@transaction.atomic
def deploy(
    *,
    variant: Variant,
    alias: str,
    label: str,
    place: Place = Place(),
    by: User | None = None,
) -> Deployment:
    """Let the variant answer to the alias from now on; what answered before is retired."""
    before = Deployment.objects.filter(
        organization=place.organization, alias=alias, retired_at__isnull=True
    )
    before.update(retired_at=timezone.now())
    deployment = Deployment.objects.create(
        organization=place.organization, alias=alias, label=label, variant=variant, pool=place.pool
    )
    audit.record(
        verb="model.deployed",
        actor=by,
        organization=place.organization,
        target=deployment,
        data={"alias": alias, "variant": str(variant.pk)},
    )
    return deployment


@transaction.atomic
def choose_writer(*, variant: Variant, organization: Organization, by: User) -> Deployment:
    """Let the variant write for the organization from its next update on; texts that are there stay.

    Raises:
        FilesGone: Its folder is not there any more.
    """
    variant = Variant.objects.select_for_update().get(pk=variant.pk)
    has_files = variant.root == Variant.Root.REMOTE or (variant.folder / MANIFEST_NAME).is_file()
    if variant.removed_at is not None or not has_files:
        raise FilesGone(variant)
    current = selectors.deployment_for(organization)
    if current is not None and current.variant_id == variant.pk:
        return current
    place = Place(organization=organization)
    return deploy(variant=variant, alias=WRITER, label=str(_("Writer")), place=place, by=by)


@transaction.atomic
def remove(*, variant: Variant, organization: Organization, by: User) -> None:
    """Remove an added model that serves nobody: its files go; its rows stay where texts refer to them.

    Raises:
        StillServing: Somebody's texts are written with it.
        NotRemovable: It came with the source, or is at another server.
    """
    variant = Variant.objects.select_for_update().get(pk=variant.pk)
    if variant.root != Variant.Root.DATA:
        raise NotRemovable(_("Only models that were added here can be removed."))
    if variant.deployments.filter(retired_at__isnull=True).exists():
        raise StillServing(_("This model writes for somebody. Choose another Writer there first."))
    variant.removed_at = timezone.now()
    variant.save(update_fields=["removed_at"])
    audit.record(
        verb="model.removed",
        actor=by,
        organization=organization,
        target=variant,
        data={"digest": variant.digest, "size_bytes": variant.size_bytes},
    )
    transaction.on_commit(partial(shutil.rmtree, variant.folder, ignore_errors=True))


def record_speed(
    *, variant: Variant, context_tokens: int, decode_per_s: float, prefill_per_s: float
) -> None:
    """Keep what the warm-up measured on this machine; nothing is measured of another server."""
    if variant.root == Variant.Root.REMOTE:
        Variant.objects.filter(pk=variant.pk).update(context_tokens=context_tokens)
        return
    Variant.objects.filter(pk=variant.pk).update(
        context_tokens=context_tokens,
        decode_tokens_per_s=decode_per_s,
        prefill_tokens_per_s=prefill_per_s,
        measured_at=timezone.now(),
    )
