"""What pages show of backups and exports, and the gate to an export."""

from uuid import UUID

from apps.core.errors import NotVisible
from apps.operations.models import Backup, Export
from apps.organizations.models import Organization


def last_backup() -> Backup | None:
    """Return the newest backup of the instance; its `finished_at` says how old it is."""
    return Backup.objects.order_by("-finished_at").first()


def export_of(organization: Organization, pk: UUID) -> Export:
    """Return an export of the organization that can be fetched; NotVisible otherwise."""
    ready = Export.objects.open().filter(organization=organization, status=Export.Status.READY)
    found = ready.filter(pk=pk).first()
    if found is None:
        raise NotVisible
    return found
