"""The gate to a notebook. Everything that touches one - page, update, socket, image - passes here.

`level_of` answers for one notebook, `Reach` for a page of them; a test walks every role, audience and
grant and holds both, and the query of what is visible, to one answer.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.core.ids import uuid7
from apps.notebooks.models import Notebook, ShareGrant
from apps.notebooks.models.notebooks import NotebookQuerySet
from apps.notebooks.rights import levels_at, levels_on
from apps.notebooks.statements import Place
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
    # The time that a refusal takes must not tell that there is something.
    if notebook is None:
        _ask_in_vain(user)
        raise NotVisible
    # As `level_of`, in fewer queries.
    level = levels_on(notebook, [user.pk])[user.pk] if user.is_active else Level.NONE
    if level < max(need, Level.VIEW):
        raise NotVisible
    return Access(notebook=notebook, level=level)


def _ask_in_vain(user: User) -> None:
    """Ask what is asked about a notebook that a colleague may not see, of one that nobody has."""
    home = Membership.objects.filter(user=user).values_list("organization", flat=True).first()
    if home is None or not user.is_active:
        return
    place = Place(
        notebook_id=uuid7(),
        owner_id=uuid7(),
        audience=Notebook.Audience.WORKSPACE,
        organization_id=home,
        workspace_id=uuid7(),
        division_id=uuid7(),
        has_grants=True,
    )
    levels_at(place, [user.pk])


def level_of(user: User, notebook: Notebook) -> Level:
    """Return what the person may do: the highest of ownership, role and grants."""
    if not user.is_authenticated or not user.is_active:
        return Level.NONE
    if not Membership.objects.filter(user=user, organization=notebook.organization_id).exists():
        return Level.NONE
    if notebook.owner_id == user.pk:
        return Level.MANAGE
    return max(_role_level(user, notebook), _granted_level(user, notebook))


def may_hand_over(user: User, notebook: Notebook) -> bool:
    """Say whether the person decides who owns the notebook: the owner, and who manages by role."""
    return notebook.owner_id == user.pk or _role_level(user, notebook) >= Level.MANAGE


def visible_notebooks(user: User, organization: Organization) -> NotebookQuerySet:
    """Return the notebooks of the organization that the person may open, the trash included."""
    return reach_of(user, organization).visible()


def workspaces_to_write_in(user: User, organization: Organization) -> QuerySet[Workspace]:
    """Return the workspaces in which the person may create a notebook."""
    return reach_of(user, organization).writable()


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far a person's roles reach in one organization: read once, asked as often as a page needs."""

    user: User
    organization: Organization
    roles: dict[uuid.UUID, frozenset[str]]  # by workspace; none at all for who does not belong
    divisions: frozenset[uuid.UUID]  # that the person works in, with those above them
    is_member: bool

    def visible(self) -> NotebookQuerySet:
        """Return the notebooks that the person may open, the trash included."""
        if not self.is_member:
            return Notebook.objects.none()
        levels = {workspace: _level_by_roles(held) for workspace, held in self.roles.items()}
        reads = [workspace for workspace, level in levels.items() if level >= Level.VIEW]
        manages = [workspace for workspace, level in levels.items() if level >= Level.MANAGE]
        return Notebook.objects.filter(organization=self.organization).filter(
            Q(owner=self.user)
            | Q(pk__in=self.granted())
            | Q(audience=Notebook.Audience.WORKSPACE, workspace__in=reads)
            | Q(workspace__in=manages)
        )

    def granted(self) -> QuerySet[ShareGrant, object]:
        """Return the ids of the notebooks on which a grant in force reaches the person."""
        return self._grants().values_list("notebook")

    def writable(self) -> QuerySet[Workspace]:
        """Return the workspaces in which the person may create a notebook."""
        allowed = [pk for pk, held in self.roles.items() if not held.isdisjoint(CREATORS)]
        found = Workspace.objects.filter(pk__in=allowed, archived_at=None)
        return found.select_related("division")

    def levels(self, notebooks: Iterable[Notebook]) -> dict[uuid.UUID, Level]:
        """Return the person's level on each of these notebooks of the organization, in one query."""
        listed = list(notebooks)
        if not self.is_member:
            return dict.fromkeys((notebook.pk for notebook in listed), Level.NONE)
        held = self._grants().filter(notebook__in=listed).values_list("notebook", "level")
        granted: dict[uuid.UUID, Level] = {}
        for pk, level in held:
            granted[pk] = max(Level(level), granted.get(pk, Level.NONE))
        return {
            notebook.pk: max(self._own_level(notebook), granted.get(notebook.pk, Level.NONE))
            for notebook in listed
        }

    def _own_level(self, notebook: Notebook) -> Level:
        """Return what ownership and roles give."""
        if notebook.owner_id == self.user.pk:
            return Level.MANAGE
        level = _level_by_roles(self.roles.get(notebook.workspace_id, frozenset()))
        is_private = notebook.audience == Notebook.Audience.PRIVATE
        return Level.NONE if is_private and level < Level.MANAGE else level

    def _grants(self) -> QuerySet[ShareGrant]:
        return ShareGrant.objects.filter(_in_force(), self._holder())

    def _holder(self) -> Q:
        return Q(user=self.user) | Q(division__in=self.divisions)


def reach_of(user: User, organization: Organization) -> Reach:
    """Return how far the person's roles reach in the organization, in three queries."""
    memberships: list[Membership] = []
    if user.is_authenticated and user.is_active:
        memberships = list(Membership.objects.filter(user=user, organization=organization))
    parents = dict(organization.divisions.values_list("pk", "parent"))
    homes = dict(organization.workspaces.values_list("pk", "division"))
    above = {division: _upwards(division, parents) for division in parents}
    worked_in = [_home(held, homes) for held in memberships]
    return Reach(
        user=user,
        organization=organization,
        roles={
            workspace: frozenset(
                held.role for held in memberships if _covers(held, workspace, above[division])
            )
            for workspace, division in homes.items()
        },
        divisions=frozenset(pk for home in worked_in if home for pk in above[home]),
        is_member=bool(memberships),
    )


def _home(held: Membership, homes: dict[uuid.UUID, uuid.UUID]) -> uuid.UUID | None:
    """Return the division that the person works in by this membership."""
    return homes.get(held.workspace_id) if held.workspace_id else held.division_id


def _covers(held: Membership, workspace: uuid.UUID, divisions: frozenset[uuid.UUID]) -> bool:
    """Say whether the role holds in the workspace, which lies in these divisions."""
    if held.workspace_id:
        return held.workspace_id == workspace
    return held.division_id is None or held.division_id in divisions


def _upwards(
    division: uuid.UUID, parents: dict[uuid.UUID, uuid.UUID | None]
) -> frozenset[uuid.UUID]:
    found = set()
    at: uuid.UUID | None = division
    while at is not None:
        found.add(at)
        at = parents.get(at)
    return frozenset(found)


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


def _in_force() -> Q:
    return Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())


def _held_by(user: User, organization: uuid.UUID) -> Q:
    """Return the filter for grants in force that the person holds, directly or by a division."""
    return _in_force() & (Q(user=user) | Q(division__in=_divisions_of(user, organization)))


def _divisions_of(user: User, organization: uuid.UUID) -> set[uuid.UUID]:
    """Return the ids of the divisions that the person works in, with those above them."""
    memberships = Membership.objects.filter(user=user, organization=organization).select_related(
        "division__parent", "workspace__division__parent"
    )
    homes = [held.division or (held.workspace and held.workspace.division) for held in memberships]
    return {above.pk for home in homes if home for above in ancestry(home)}
