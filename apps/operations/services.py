"""Ask for exports; keep what an organization says about how long things are kept."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.operations import tasks
from apps.operations.models import Export
from apps.organizations import audit
from apps.organizations.models import Organization, Retention

FETCHED_WITHIN = timedelta(days=3)


class ExportUnderWay(DomainError):
    """An export of the organization is being put together already."""


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


@transaction.atomic
def request_export(*, organization: Organization, by: User) -> Export:
    """Have everything that the organization owns put together; ExportUnderWay while that goes on."""
    Organization.objects.select_for_update().get(pk=organization.pk)
    waiting = Export.objects.open().filter(organization=organization, status=Export.Status.WAITING)
    if waiting.exists():
        raise ExportUnderWay(_("An export is being put together already."))
    export = Export.objects.create(
        organization=organization, requested_by=by, expires_at=timezone.now() + FETCHED_WITHIN
    )
    audit.record(
        verb="organization.exported",
        actor=by,
        organization=organization,
        target=organization,
        data={"export": str(export.pk)},
    )
    transaction.on_commit(partial(_call_for, export.pk), robust=True)
    return export


def _call_for(export: UUID) -> None:
    """Call a worker; the schedule finds what no worker was told about."""
    try:
        tasks.put_together.delay(export_id=str(export))
    except (OperationalError, OSError):
        return


def note_fetch(*, export: Export, by: User) -> None:
    """Leave an event of who took the file with everything in it."""
    audit.record(
        verb="organization.export_fetched",
        actor=by,
        organization=export.organization,
        target=export.organization,
        data={"export": str(export.pk)},
    )
