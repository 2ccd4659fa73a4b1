"""Ask for exports, and note who fetches them."""

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
from apps.organizations.models import Organization

FETCHED_WITHIN = timedelta(days=3)


class ExportUnderWay(DomainError):
    """An export of the organization is being put together already."""


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
