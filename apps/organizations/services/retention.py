"""Keep what an organization says about how long things are kept; apps.operations does it."""

from dataclasses import asdict, dataclass

from django.db import transaction

from apps.accounts.models import User
from apps.organizations import audit
from apps.organizations.models import Organization, Retention


@dataclass(frozen=True, kw_only=True)
class Days:
    """For how many days each kind is kept; None: for good."""

    trash_days: int | None
    output_days: int | None
    run_days: int | None
    audit_days: int | None


def retention_of(organization: Organization) -> Retention:
    """Return what holds for the organization: what its admins said, or the defaults."""
    kept = Retention.objects.filter(organization=organization).first()
    return kept or Retention(organization=organization)


@transaction.atomic
def change_retention(*, organization: Organization, by: User, days: Days) -> Retention:
    """Keep what the admin says, and leave an event with what changed."""
    kept = retention_of(organization)
    before = {name: getattr(kept, name) for name in asdict(days)}
    changed = {
        name: {"before": before[name], "after": value}
        for name, value in asdict(days).items()
        if before[name] != value
    }
    for name, value in asdict(days).items():
        setattr(kept, name, value)
    kept.save()
    if changed:
        audit.record(
            verb="retention.changed",
            actor=by,
            organization=organization,
            target=organization,
            data={
                name: f"{one['before'] or '∞'} → {one['after'] or '∞'}"
                for name, one in changed.items()
            },
        )
    return kept
