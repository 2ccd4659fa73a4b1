"""Read artifacts from disk and enter them into the catalog."""

from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from apps.catalog.models import ModelFamily, ModelVersion, Variant
from apps.core.errors import DomainError
from apps.organizations.models import Organization
from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import Manifest, read_artifact


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
def register(
    *, found: Found, family: str, name: str, organization: Organization | None = None
) -> Variant:
    """Return the variant of an artifact, added as the family's next version unless it is known."""
    line, _new = ModelFamily.objects.get_or_create(
        organization=organization, slug=family, defaults={"name": name}
    )
    known = Variant.objects.filter(version__family=line, digest=found.manifest.digest).first()
    if known is not None and known.removed_at is not None:  # its files are back
        known.root, known.path, known.removed_at = found.root, found.path, None
        known.save(update_fields=["root", "path", "removed_at"])
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
