"""Which deployment serves whom, and how long it takes."""

from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q, QuerySet

from apps.catalog import sealing
from apps.catalog.models import (
    WRITER,
    Deployment,
    ModelImport,
    RemoteEndpoint,
    Trial,
    Variant,
)
from apps.core.errors import NotVisible
from apps.organizations.models import Organization
from inferencecloud.engine.endpoint import Endpoint

T = TypeVar("T")
CHARACTERS_PER_TOKEN = 4.0  # good enough for "about 4 s"; the engine counts exactly


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a person reads before pressing Update."""

    seconds: float
    tokens: int


def deployment_for(organization: Organization, alias: str = WRITER) -> Deployment | None:
    """Return what serves the alias there: the organization's own before the instance's; None without."""
    is_usable = Q(organization=organization) | Q(organization__isnull=True)
    usable = Deployment.objects.select_related("variant__version").filter(
        is_usable, alias=alias, retired_at__isnull=True
    )
    return usable.order_by(F("organization").asc(nulls_last=True)).first()


def shared_deployment(alias: str) -> Deployment | None:
    """Return what serves the alias for the whole instance; None without."""
    live = Deployment.objects.select_related("variant__version").filter(
        alias=alias, retired_at__isnull=True, organization__isnull=True
    )
    return live.first()


def model_version_for(organization: Organization, alias: str = WRITER) -> str:
    """Return the id that enters the input hash; empty while nothing serves the alias."""
    deployment = deployment_for(organization, alias)
    return str(deployment.variant.version_id) if deployment else ""


def deployments_of(organization: Organization) -> list[Deployment]:
    """Return what the organization can use, one per alias, by label."""
    usable = Deployment.objects.select_related("variant__version__family").filter(
        retired_at__isnull=True
    )
    shared = usable.filter(organization__isnull=True)
    own = usable.filter(organization=organization)
    by_alias = {one.alias: one for one in [*shared, *own]}
    return sorted(by_alias.values(), key=lambda one: one.label)


def endpoint_of(variant: Variant) -> Endpoint:
    """Return where the variant is served, its key readable.

    Raises:
        AddressRefused: Its address is none.
        SealBroken: Its key cannot be read.
    """
    row = RemoteEndpoint.objects.get(variant=variant)
    return Endpoint(
        base_url=row.base_url,
        model=row.model_name,
        api_key=sealing.unseal(bytes(row.key_sealed)),
        extended=row.extended,
        allow_private=settings.REMOTE_MODELS_PRIVATE,
    )


def variants_of(organization: Organization) -> QuerySet[Variant]:
    """Return what the organization may write with: its own models and the installation's."""
    mine = Q(version__family__organization=organization)
    shared = Q(version__family__organization__isnull=True)
    here = Variant.objects.filter(mine | shared, removed_at__isnull=True)
    return here.select_related("version__family")


def variant_for(organization: Organization, pk: UUID) -> Variant:
    """Return a variant that the organization may write with; NotVisible otherwise."""
    return _found(variants_of(organization).filter(pk=pk).first())


def import_for(organization: Organization, pk: UUID) -> ModelImport:
    """Return an import that was asked for there; NotVisible otherwise."""
    asked = ModelImport.objects.select_related("requested_by", "variant", "organization")
    return _found(asked.filter(organization=organization, pk=pk).first())


def trial_for(organization: Organization, pk: UUID) -> Trial:
    """Return a trial that was asked for there; NotVisible otherwise."""
    asked = Trial.objects.select_related("variant__version__family")
    return _found(asked.filter(organization=organization, pk=pk).first())


def former_writer(organization: Organization) -> Deployment | None:
    """Return what wrote there before the present Writer; None when nothing else did."""
    current = deployment_for(organization)
    if current is None:
        return None
    others = Deployment.objects.filter(alias=WRITER, variant__removed_at__isnull=True).exclude(
        variant=current.variant_id
    )
    own = others.filter(organization=organization, retired_at__isnull=False)
    # Before an organization chose for itself, it had what the whole instance has.
    shared = others.filter(organization__isnull=True).order_by(
        F("retired_at").desc(nulls_first=True)
    )
    return own.order_by("-retired_at").first() or shared.first()


def serving_variants() -> set[UUID]:
    """Return the ids of the variants that write for anybody."""
    live = Deployment.objects.filter(retired_at__isnull=True)
    return set(live.values_list("variant_id", flat=True))


def _found(found: T | None) -> T:
    if found is None:
        raise NotVisible
    return found


def pools() -> list[str]:
    """Return the names of all pools that something is deployed to."""
    live = Deployment.objects.filter(retired_at__isnull=True)
    return sorted(set(live.values_list("pool", flat=True)))


def estimate(variant: Variant, *, prompt_characters: int, new_tokens: int) -> Estimate:
    """Return how long one step takes at the speed measured here (a plain guess before the first load)."""
    prompt_tokens = int(prompt_characters / CHARACTERS_PER_TOKEN) + 1
    prefill_s = prompt_tokens / (variant.prefill_tokens_per_s or 500.0)
    decode_s = new_tokens / (variant.decode_tokens_per_s or 50.0)
    return Estimate(seconds=prefill_s + decode_s, tokens=prompt_tokens + new_tokens)
