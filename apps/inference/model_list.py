"""What the page "Models" shows of every model: what it is, how fast it was here, what it serves as."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.catalog import selectors as catalog
from apps.catalog.models import Trial, Variant
from apps.organizations.models import Organization


@dataclass(frozen=True, kw_only=True)
class Suitable:
    """A model that fits a machine without a graphics card; docs/models.md says more of it."""

    origin: str
    licence: str
    size: str
    languages: Promise | str


SUITABLE = [
    Suitable(
        origin="HuggingFaceTB/SmolLM2-360M-Instruct",
        licence="Apache-2.0",
        size="0.72 GB",
        languages=gettext_lazy("English"),
    ),
    Suitable(
        origin="Qwen/Qwen2.5-0.5B-Instruct",
        licence="Apache-2.0",
        size="0.99 GB",
        languages=gettext_lazy("many"),
    ),
    Suitable(
        origin="Qwen/Qwen3-0.6B",
        licence="Apache-2.0",
        size="1.2 GB",
        languages=gettext_lazy("over a hundred"),
    ),
    Suitable(
        origin="google/gemma-3-1b-it",
        licence="Gemma Terms of Use",
        size="2.0 GB",
        languages=gettext_lazy("many; ask for access first"),
    ),
]


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """A model as the page shows it."""

    variant: Variant
    is_writer: bool
    was_writer: bool  # just before the present one
    serves: bool  # for anybody of this installation
    last_trial: Trial | None

    @property
    def name(self) -> str:
        """Return the name that its files give it, or its family's."""
        return str(self.variant.manifest.get("name") or self.variant.version.family.name)

    @property
    def is_starter(self) -> bool:
        """Say whether it came with the source."""
        return self.variant.root == Variant.Root.SHIPPED

    @property
    def is_remote(self) -> bool:
        """Say whether another server runs it."""
        return self.variant.root == Variant.Root.REMOTE

    @property
    def can_be_removed(self) -> bool:
        """Say whether its files may go."""
        return self.variant.root == Variant.Root.DATA and not self.serves

    @property
    def parameters(self) -> str:
        """Return how large it is, as models are called: 5 M, 1.5 B."""
        return as_count(int(self.variant.manifest.get("parameters", 0)))

    @property
    def licence(self) -> str:
        """Return its licence, or that nobody told it."""
        return self.variant.version.licence or _("not told")


def as_count(parameters: int | None) -> str:
    """Return a number of parameters as models are called; empty when it is unknown."""
    if not parameters:
        return ""
    if parameters >= 10**9:
        return f"{parameters / 10**9:.1f} B"
    return f"{parameters / 10**6:.0f} M"


def rows_of(organization: Organization) -> list[ModelRow]:
    """Return the models that the organization may write with, its Writer first."""
    current = catalog.deployment_for(organization)
    former = catalog.former_writer(organization)
    variants = catalog.variants_of(organization).order_by("-created_at")
    serving = catalog.serving_variants()
    trials: dict[object, Trial] = {}
    for trial in organization.trials.order_by("created_at"):
        trials[trial.variant_id] = trial
    rows = [
        ModelRow(
            variant=variant,
            is_writer=current is not None and current.variant_id == variant.pk,
            was_writer=former is not None and former.variant_id == variant.pk,
            serves=variant.pk in serving,
            last_trial=trials.get(variant.pk),
        )
        for variant in variants
    ]
    return sorted(rows, key=lambda row: not row.is_writer)
