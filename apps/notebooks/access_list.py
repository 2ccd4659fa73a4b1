"""Who has access to a notebook and why: what the share dialog shows."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.notebooks.models import Notebook, ShareGrant
from apps.organizations.models import Division, Membership, Organization
from apps.organizations.policy import ROLE_LEVEL, Level, covering

SUGGESTIONS = 6
LEVELS = [
    (Level.VIEW, _("Can view")),
    (Level.COMMENT, _("Can comment")),
    (Level.SUGGEST, _("Can suggest")),
    (Level.EDIT, _("Can edit")),
    (Level.RUN, _("Can edit and update")),
    (Level.MANAGE, _("Can manage")),
]


@dataclass(frozen=True, kw_only=True)
class ByRole:
    """A person whom a role lets in."""

    person: User
    level: Level
    role: str
    place: str

    @property
    def level_label(self) -> str:
        """Return the level in words."""
        return str(dict(LEVELS)[self.level])


@dataclass(frozen=True, kw_only=True)
class AccessList:
    """Everybody who may open the notebook."""

    notebook: Notebook
    by_role: list[ByRole]
    people: list[ShareGrant]
    divisions: list[ShareGrant]
    links: list[ShareGrant]

    @property
    def is_private(self) -> bool:
        """Say whether roles below a manager's are left out."""
        return self.notebook.audience == Notebook.Audience.PRIVATE


@dataclass(frozen=True, kw_only=True)
class Suggestions:
    """Whom the typed words may mean."""

    words: str
    people: list[User]
    divisions: list[Division]


def access_list(notebook: Notebook, *, at: datetime | None = None) -> AccessList:
    """Return who has access now, in two queries."""
    in_force = Q(expires_at__isnull=True) | Q(expires_at__gt=at or timezone.now())
    grants = list(
        notebook.grants.filter(in_force)
        .select_related("user", "division", "created_by")
        .order_by("created_at")
    )
    return AccessList(
        notebook=notebook,
        by_role=_by_role(notebook),
        people=[grant for grant in grants if grant.user_id],
        divisions=[grant for grant in grants if grant.division_id],
        links=[grant for grant in grants if grant.link_sha256],
    )


def people_in(organization: Organization) -> QuerySet[User]:
    """Return the members of the organization, by name."""
    members = organization.memberships.values("user")
    return User.objects.filter(pk__in=members, is_active=True).order_by("name", "email")


def suggestions(notebook: Notebook, words: str) -> Suggestions:
    """Return the people and divisions whose name or address holds the words; none for no words."""
    words = words.strip()
    if not words:
        return Suggestions(words="", people=[], divisions=[])
    people = people_in(notebook.organization).exclude(pk=notebook.owner_id)
    divisions = notebook.organization.divisions.filter(name__icontains=words)
    fits = Q(name__icontains=words) | Q(email__icontains=words)
    return Suggestions(
        words=words,
        people=list(people.filter(fits)[:SUGGESTIONS]),
        divisions=list(divisions[:SUGGESTIONS]),
    )


def _by_role(notebook: Notebook) -> list[ByRole]:
    """Return the people whose role reaches the notebook, each by the highest one, the owner aside."""
    held = Membership.objects.filter(covering(notebook.workspace), user__is_active=True)
    found: dict[object, ByRole] = {}
    for membership in held.select_related("user", "division", "workspace", "organization"):
        level = ROLE_LEVEL.get(membership.role, Level.NONE)
        if notebook.audience == Notebook.Audience.PRIVATE and level < Level.MANAGE:
            continue
        known = found.get(membership.user_id)
        if level > (known.level if known else Level.NONE):
            found[membership.user_id] = ByRole(
                person=membership.user,
                level=level,
                role=membership.get_role_display(),
                place=str(membership.scope),
            )
    found.pop(notebook.owner_id, None)
    return sorted(found.values(), key=lambda entry: (-entry.level, str(entry.person)))
