"""Runs for tests, made by the real services."""

from itertools import count
from typing import Any

from apps.accounts.models import User
from apps.catalog import services as catalog
from apps.catalog.models import Deployment, ModelFamily, ModelVersion, Variant
from apps.inference import services
from apps.inference.models import Run
from apps.inference.specs import Params, PromptMessage, Segment, StepOutput, StepSpec, Subject, Text
from apps.organizations.models import Organization

_numbers = count(1)


def deployment(alias: str = "writer", *, pool: str = "inference", **place: Any) -> Deployment:
    """Return a deployment of a variant whose artifact nobody opens (the scripted engine reads none)."""
    number = next(_numbers)
    family = ModelFamily.objects.create(slug=f"family-{number}", name=f"Family {number}")
    version = ModelVersion.objects.create(family=family, number=1, digest=f"digest-{number}")
    variant = Variant.objects.create(
        version=version, name="bf16", path=f"models/{number}", digest=f"digest-{number}"
    )
    return catalog.deploy(
        variant=variant,
        alias=alias,
        label=alias.title(),
        place=catalog.Place(pool=pool, **place),
    )


def spec(key: str, *reads: str, text: str = "", **fields: Any) -> StepSpec:
    """Return a step that reads the outputs of the named steps."""
    segments: list[Segment] = [Text(text=text or f"Write {key} from: ")]
    segments += [StepOutput(step=read) for read in reads]
    params = fields.pop("params", None) or Params(seed=7, max_new_tokens=64)
    return StepSpec(
        key=key,
        messages=(PromptMessage(role="user", segments=tuple(segments)),),
        params=params,
        **fields,
    )


def chain(length: int = 3, **fields: Any) -> list[StepSpec]:
    """Return steps of which each reads the one before."""
    return [
        spec(f"c{number}", *([f"c{number - 1}"] if number else []), **fields)
        for number in range(length)
    ]


def start(
    organization: Organization,
    steps: list[StepSpec],
    *,
    actor: User | None = None,
    key: str = "",
    subject: str = "1",
) -> Run:
    """Begin a run of a subject that only tests know."""
    return services.start_run(
        organization=organization,
        actor=actor,
        subject=Subject(kind="thing", id=subject),
        steps=steps,
        start=services.Start(idempotency_key=key or f"key-{next(_numbers)}"),
    )
