"""Begin an organization, and change what it is called."""

from dataclasses import dataclass

from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.organizations import audit
from apps.organizations.models import Division, Membership, Organization, Role, Workspace
from apps.organizations.services import structure
from apps.organizations.services.slugs import free_slug

FOUNDING_LOCK = 0x1F0_07D1  # any number that nothing else in the database locks by


class AlreadyFounded(DomainError):
    """The instance has people, so the first-run page is closed."""


@dataclass(frozen=True, kw_only=True)
class Founding:
    """What the first-run page asks."""

    email: str
    password: str
    name: str
    organization: str
    division: str
    workspace: str


@dataclass(frozen=True, kw_only=True)
class Founded:
    """What stands after the first run."""

    owner: User
    organization: Organization
    division: Division
    workspace: Workspace


@transaction.atomic
def found_instance(*, founding: Founding) -> Founded:
    """Create the owner, the organization and a first place to write in."""
    _one_at_a_time()
    if User.objects.exists():
        raise AlreadyFounded(_("This instance has been set up already: sign in instead."))
    owner = accounts.create_verified_user(
        email=founding.email, password=founding.password, name=founding.name
    )
    accounts.make_operator(user=owner)  # who sets an instance up runs it
    organization = create_organization(name=founding.organization, owner=owner)
    division = structure.add_division(
        organization=organization, parent=None, name=founding.division, by=owner
    )
    workspace = structure.add_workspace(division=division, name=founding.workspace, by=owner)
    # An owner administers without reading; whoever starts a first team works in it, too.
    Membership.objects.create(
        organization=organization, workspace=workspace, user=owner, role=Role.WORKSPACE_MANAGER
    )
    return Founded(owner=owner, organization=organization, division=division, workspace=workspace)


def _one_at_a_time() -> None:
    """Let a second first run wait for the end of this one. On SQLite every transaction does."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [FOUNDING_LOCK])


@transaction.atomic
def create_organization(*, name: str, owner: User) -> Organization:
    """Create an organization with its first owner."""
    organization = Organization.objects.create(
        name=name, slug=free_slug(Organization.objects.all(), name)
    )
    Membership.objects.create(organization=organization, user=owner, role=Role.OWNER)
    audit.record(
        verb="organization.created", actor=owner, organization=organization, target=organization
    )
    return organization


@transaction.atomic
def rename_organization(*, organization: Organization, name: str, by: User) -> Organization:
    """Give the organization another name; its addresses stay."""
    before, organization.name = organization.name, name
    organization.save(update_fields=["name"])
    audit.record(
        verb="organization.renamed",
        actor=by,
        organization=organization,
        target=organization,
        data={"before": before, "after": name},
    )
    return organization
