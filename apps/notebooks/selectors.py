"""The gate to a notebook. Everything that touches one - page, update, socket, image - passes here."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.notebooks.models import Notebook, ShareGrant
from apps.organizations.models import Membership, Organization, Role
from apps.organizations.policy import ROLE_LEVEL, Level, ancestry, workspace_level


@dataclass(frozen=True, kw_only=True)
class Access:
    """A notebook together with what this person may do with it."""

    notebook: Notebook
    level: Level

    @property
    def may_edit(self) -> bool:
        """Say whether the person's updates are taken."""
        return self.level >= Level.EDIT and self.notebook.trashed_at is None

    @property
    def may_manage(self) -> bool:
        """Say whether the person may share, move and trash it."""
        return self.level >= Level.MANAGE


def access_notebook(user: User, pk: object, *, need: Level = Level.VIEW) -> Access:
    """Return the notebook and the person's level; NotVisible below VIEW or below `need`."""
    notebook = (
        Notebook.objects.select_related(
            "organization", "workspace__division__parent", "owner", "document"
        )
        .filter(pk=pk)
        .first()
    )
    if notebook is None:
        raise NotVisible
    level = level_of(user, notebook)
    if level < max(need, Level.VIEW):
        raise NotVisible
    return Access(notebook=notebook, level=level)


def level_of(user: User, notebook: Notebook) -> Level:
    """Return what the person may do: the highest of ownership, role and grants."""
    if not user.is_authenticated or not user.is_active:
        return Level.NONE
    if not Membership.objects.filter(user=user, organization=notebook.organization_id).exists():
        return Level.NONE
    if notebook.owner_id == user.pk:
        return Level.MANAGE
    return max(_role_level(user, notebook), _granted_level(user, notebook))


def _role_level(user: User, notebook: Notebook) -> Level:
    level = workspace_level(user, notebook.workspace)
    if notebook.audience == Notebook.Audience.WORKSPACE or level == Level.MANAGE:
        return level
    return Level.NONE


def _granted_level(user: User, notebook: Notebook) -> Level:
    grants = ShareGrant.objects.filter(_held_by(user), notebook=notebook)
    return Level(max(grants.values_list("level", flat=True), default=Level.NONE))


def _held_by(user: User) -> Q:
    """Return the filter for grants in force that the person holds, directly or by a division."""
    in_force = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    return in_force & (Q(user=user) | Q(division__in=_divisions_of(user)))


def _divisions_of(user: User) -> set[object]:
    """Return the ids of the divisions that the person works in, with those above them."""
    memberships = Membership.objects.filter(user=user).select_related(
        "division__parent", "workspace__division__parent"
    )
    homes = [held.division or (held.workspace and held.workspace.division) for held in memberships]
    return {above.pk for home in homes if home for above in ancestry(home)}


def visible_notebooks(user: User, organization: Organization) -> QuerySet[Notebook]:
    """Return the notebooks of the organization that the person may open, the trash included."""
    memberships = Membership.objects.filter(user=user, organization=organization)
    if not memberships.exists():
        return Notebook.objects.none()
    readers = [role for role, level in ROLE_LEVEL.items() if level >= Level.VIEW]
    managers = [role for role, level in ROLE_LEVEL.items() if level == Level.MANAGE]
    open_to_all = Q(audience=Notebook.Audience.WORKSPACE)
    granted = ShareGrant.objects.filter(_held_by(user)).values("notebook")
    return Notebook.objects.filter(organization=organization).filter(
        Q(owner=user)
        | Q(pk__in=granted)
        | (open_to_all & _in_workspaces_of(memberships, readers))
        | _in_workspaces_of(memberships, managers)
    )


def _in_workspaces_of(memberships: QuerySet[Membership], roles: list[str | Role]) -> Q:
    """Return the filter for notebooks in a workspace that one of these memberships covers."""
    scoped = Q(pk__in=[])
    for held in memberships.filter(role__in=roles).select_related("division"):
        if held.workspace_id:
            scoped |= Q(workspace=held.workspace_id)
        elif held.division_id:
            scoped |= Q(workspace__division__in=_with_descendants(held))
        else:
            scoped |= Q(organization=held.organization_id)
    return scoped


def _with_descendants(membership: Membership) -> set[object]:
    """Return the ids of the membership's division and of all divisions below it."""
    children: dict[object, list[object]] = {}
    for pk, parent in membership.organization.divisions.values_list("pk", "parent"):
        children.setdefault(parent, []).append(pk)
    found: set[object] = set()
    waiting = [membership.division_id]
    while waiting:
        division = waiting.pop()
        found.add(division)
        waiting.extend(children.get(division, []))
    return found
