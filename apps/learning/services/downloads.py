"""Let somebody take along what may be learned from; that they did is kept."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.learning import export, tasks
from apps.learning.listing import Wanted, outputs_of
from apps.learning.models import Package
from apps.learning.sight import Sight
from apps.organizations import audit
from apps.organizations.models import Organization

AT_ONCE = 1_000  # outputs that are packed while somebody waits: about a second
FETCHED_WITHIN = timedelta(days=1)  # consent may be taken back meanwhile: no longer than that


class PackingUnderWay(DomainError):
    """The organization's examples are being packed already."""


def is_large(*, sight: Sight, wanted: Wanted) -> bool:
    """Say whether so much fits that a worker is to pack it."""
    fitting = outputs_of(sight, replace(wanted, learnable=""))
    return fitting.order_by()[: AT_ONCE + 1].count() > AT_ONCE


def download(*, sight: Sight, by: User, wanted: Wanted) -> export.Package:
    """Return the zip of what fits and may be learned from; whoever gets it closes its file."""
    asked = replace(wanted, learnable="")  # nothing else is ever packed
    packed = export.pack(sight.organization, outputs_of(sight, asked), asked=asked.as_json())
    audit.record(
        verb="learning.downloaded",
        actor=by,
        organization=sight.organization,
        target=sight.organization,
        data={"sha256": packed.sha256, **asked.as_json(), **packed.rows},
    )
    return packed


@transaction.atomic
def request_package(*, organization: Organization, by: User, wanted: Wanted) -> Package:
    """Have a worker pack what fits and may be learned from; PackingUnderWay while one does."""
    Organization.objects.select_for_update().get(pk=organization.pk)
    waiting = Package.objects.open().filter(
        organization=organization, status=Package.Status.WAITING
    )
    if waiting.exists():
        raise PackingUnderWay(_("Examples are being packed already. One package at a time."))
    package = Package.objects.create(
        organization=organization,
        requested_by=by,
        asked=replace(wanted, learnable="").as_json(),
        expires_at=timezone.now() + FETCHED_WITHIN,
    )
    audit.record(
        verb="learning.packed",
        actor=by,
        organization=organization,
        target=organization,
        data={"package": str(package.pk), **package.asked},
    )
    transaction.on_commit(partial(_call_for, package.pk), robust=True)
    return package


def _call_for(package: UUID) -> None:
    """Call a worker; the schedule finds what no worker was told about."""
    try:
        tasks.pack.delay(package_id=str(package))
    except (OperationalError, OSError):
        return


def note_fetch(*, package: Package, by: User) -> None:
    """Leave an event of who took the file."""
    audit.record(
        verb="learning.downloaded",
        actor=by,
        organization=package.organization,
        target=package.organization,
        data={"sha256": package.sha256, **package.asked, **package.rows},
    )


def withdraw(organization: Organization | UUID) -> int:
    """Let go of every package of the organization: something in them is to be forgotten, or not used.

    Returns how many there were. One that is being packed ends without a file.
    """
    pk = organization.pk if isinstance(organization, Organization) else organization
    packages = list(Package.objects.filter(organization=pk))
    Package.objects.filter(pk__in=[one.pk for one in packages]).delete()
    names = [str(one.file.name) for one in packages if one.file]
    if names:
        transaction.on_commit(partial(_delete, names), robust=True)
    return len(packages)


def _delete(names: list[str]) -> None:
    for name in names:
        default_storage.delete(name)
