"""The gate to a notebook. Everything that touches one - page, update, socket, image - passes here.

`level_of` answers for one notebook, `levels_of` for a page of them, `visible_notebooks` as a query;
a test walks every role, audience and grant and holds the three to one answer.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.notebooks.document import merge
from apps.notebooks.models import DocSnapshot, Document, Notebook, ShareGrant
from apps.notebooks.models.notebooks import NotebookQuerySet
from apps.organizations.models import Membership, Organization, Workspace
from apps.organizations.policy import CREATORS, ROLE_LEVEL, Level, ancestry, workspace_level


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


def access_notebook(user: User, pk: uuid.UUID | str, *, need: Level = Level.VIEW) -> Access:
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


def levels_of(
    user: User, organization: Organization, notebooks: Iterable[Notebook]
) -> dict[uuid.UUID, Level]:
    """Return the person's level on each notebook of the organization, in a constant count of queries."""
    roles = roles_by_workspace(user, organization)
    listed = list(notebooks)
    held = ShareGrant.objects.filter(_held_by(user, organization.pk), notebook__in=listed)
    granted: dict[uuid.UUID, int] = {}
    for pk, level in held.values_list("notebook", "level"):
        granted[pk] = max(level, granted.get(pk, 0))
    levels = {}
    for notebook in listed:
        role = _level_by_roles(roles.get(notebook.workspace_id, frozenset()))
        if notebook.owner_id == user.pk:
            role = Level.MANAGE
        elif notebook.audience == Notebook.Audience.PRIVATE and role < Level.MANAGE:
            role = Level.NONE
        levels[notebook.pk] = max(role, Level(granted.get(notebook.pk, 0)))
    return levels


def may_hand_over(user: User, notebook: Notebook) -> bool:
    """Say whether the person decides who owns the notebook: the owner, and who manages by role."""
    return notebook.owner_id == user.pk or _role_level(user, notebook) >= Level.MANAGE


def visible_notebooks(user: User, organization: Organization) -> NotebookQuerySet:
    """Return the notebooks of the organization that the person may open, the trash included."""
    if not user.is_authenticated or not user.is_active:
        return Notebook.objects.none()
    if not Membership.objects.filter(user=user, organization=organization).exists():
        return Notebook.objects.none()
    levels = {
        workspace: _level_by_roles(roles)
        for workspace, roles in roles_by_workspace(user, organization).items()
    }
    reads = [workspace for workspace, level in levels.items() if level >= Level.VIEW]
    manages = [workspace for workspace, level in levels.items() if level >= Level.MANAGE]
    return Notebook.objects.filter(organization=organization).filter(
        Q(owner=user)
        | Q(pk__in=granted_notebooks(user, organization))
        | Q(audience=Notebook.Audience.WORKSPACE, workspace__in=reads)
        | Q(workspace__in=manages)
    )


def granted_notebooks(user: User, organization: Organization) -> QuerySet[ShareGrant, object]:
    """Return the ids of the notebooks on which a grant in force reaches the person."""
    return ShareGrant.objects.filter(_held_by(user, organization.pk)).values_list("notebook")


def roles_by_workspace(user: User, organization: Organization) -> dict[uuid.UUID, frozenset[str]]:
    """Return the person's roles in each workspace of the organization, in three queries."""
    whole: set[str] = set()
    in_division: dict[uuid.UUID | None, set[str]] = {}
    in_workspace: dict[uuid.UUID, set[str]] = {}
    for held in Membership.objects.filter(user=user, organization=organization):
        if held.workspace_id:
            in_workspace.setdefault(held.workspace_id, set()).add(held.role)
        elif held.division_id:
            in_division.setdefault(held.division_id, set()).add(held.role)
        else:
            whole.add(held.role)
    parents = dict(organization.divisions.values_list("pk", "parent"))
    roles = {}
    for workspace, division in organization.workspaces.values_list("pk", "division"):
        found = whole | in_workspace.get(workspace, set())
        at: uuid.UUID | None = division
        while at is not None:
            found |= in_division.get(at, set())
            at = parents.get(at)
        roles[workspace] = frozenset(found)
    return roles


def workspaces_to_write_in(user: User, organization: Organization) -> QuerySet[Workspace]:
    """Return the workspaces in which the person may create a notebook."""
    roles = roles_by_workspace(user, organization)
    allowed = [pk for pk, held in roles.items() if not held.isdisjoint(CREATORS)]
    return Workspace.objects.filter(pk__in=allowed, archived_at=None).select_related("division")


def document_state(document: Document) -> bytes:
    """Return the document as one update: the snapshot and what was appended since, merged."""
    snapshot = DocSnapshot.objects.filter(document=document).first()
    since = snapshot.upto_seq if snapshot else 0
    parts = [bytes(snapshot.state)] if snapshot else []
    later = document.updates.filter(seq__gt=since).order_by("seq")
    return merge(parts + [bytes(update) for update in later.values_list("payload", flat=True)])


def _level_by_roles(roles: Iterable[str]) -> Level:
    return max((ROLE_LEVEL.get(role, Level.NONE) for role in roles), default=Level.NONE)


def _role_level(user: User, notebook: Notebook) -> Level:
    level = workspace_level(user, notebook.workspace)
    if notebook.audience == Notebook.Audience.WORKSPACE or level == Level.MANAGE:
        return level
    return Level.NONE


def _granted_level(user: User, notebook: Notebook) -> Level:
    grants = ShareGrant.objects.filter(_held_by(user, notebook.organization_id), notebook=notebook)
    return Level(max(grants.values_list("level", flat=True), default=Level.NONE))


def _held_by(user: User, organization: uuid.UUID) -> Q:
    """Return the filter for grants in force that the person holds, directly or by a division."""
    in_force = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    return in_force & (Q(user=user) | Q(division__in=_divisions_of(user, organization)))


def _divisions_of(user: User, organization: uuid.UUID) -> set[uuid.UUID]:
    """Return the ids of the divisions that the person works in, with those above them."""
    memberships = Membership.objects.filter(user=user, organization=organization).select_related(
        "division__parent", "workspace__division__parent"
    )
    homes = [held.division or (held.workspace and held.workspace.division) for held in memberships]
    return {above.pk for home in homes if home for above in ancestry(home)}
