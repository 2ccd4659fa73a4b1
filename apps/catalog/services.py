"""Register artifacts and put them behind aliases."""

from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.text import slugify

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
from apps.core.errors import DomainError
from apps.organizations import audit
from apps.organizations.models import Organization
from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import MANIFEST_NAME, Manifest, read_artifact
from inferencecloud.engine.endpoint import Endpoint

STARTER = "models/starter"  # under BASE_DIR


class ArtifactUnreadable(DomainError):
    """A folder was to hold a model, and does not."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """An artifact where it lies."""

    path: str  # relative to the root's folder
    root: str
    manifest: Manifest


def find_artifact(path: str, *, root: str = Variant.Root.DATA) -> Found:
    """Return what lies there; ArtifactUnreadable, in words, when it is no artifact."""
    base = settings.BASE_DIR if root == Variant.Root.SHIPPED else settings.DATA_DIR
    try:
        artifact = read_artifact(Path(base) / path)
    except ArtifactError as problem:
        raise ArtifactUnreadable(str(problem)) from problem
    return Found(path=path, root=root, manifest=artifact.manifest)


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
def register(
    *, found: Found, family: str, name: str, organization: Organization | None = None
) -> Variant:
    """Return the variant of an artifact, added as the family's next version unless it is known."""
    line, _new = ModelFamily.objects.get_or_create(
        organization=organization, slug=family, defaults={"name": name}
    )
    known = Variant.objects.filter(version__family=line, digest=found.manifest.digest).first()
    if known is not None:
        return known
    highest = line.versions.aggregate(highest=Max("number"))["highest"] or 0
    version = ModelVersion.objects.create(
        family=line,
        number=highest + 1,
        digest=found.manifest.digest,
        licence=found.manifest.licence[:60],
    )
    return Variant.objects.create(
        version=version,
        name=found.manifest.dtype[:40],
        root=found.root,
        path=found.path,
        digest=found.manifest.digest,
        manifest=asdict(found.manifest),
        size_bytes=sum(file.size_bytes for file in found.manifest.files.values()),
        context_tokens=found.manifest.context_tokens,
    )


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
