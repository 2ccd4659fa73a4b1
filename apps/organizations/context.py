"""What the shell around every page shows."""

from dataclasses import dataclass, field

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.organizations.models import Membership, Organization
from apps.organizations.policy import (
    ADMINISTRATORS,
    AUDIT_READERS,
    CONSOLE_READERS,
    LEARNING_READERS,
    PEOPLE_MANAGERS,
    USAGE_READERS,
)


@dataclass(frozen=True, kw_only=True)
class NavEntry:
    """One entry of the left rail; `icon` names a symbol of static/core's sprite."""

    url: str
    label: str
    icon: str
    active: bool


@dataclass(frozen=True, kw_only=True)
class Shell:
    """The organization at hand and where one can go."""

    organization: Organization | None = None
    organizations: list[Organization] = field(default_factory=list)
    can_administrate: bool = False
    nav: list[NavEntry] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What may stand in the rail, and the roles that see it; no roles: every member does."""

    route: str
    label: Promise | str
    icon: str
    roles: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()  # who finds it behind another entry


ENTRIES = [
    Entry(route="notebooks:list", label=_("Notebooks"), icon="notebook-text"),
    Entry(route="notebooks:trash", label=_("Trash"), icon="trash-2"),
    Entry(
        route="learning:list",
        label=_("Learning"),
        icon="graduation-cap",
        roles=frozenset(LEARNING_READERS),
    ),
    Entry(
        route="inference:models",
        label=_("Models"),
        icon="cpu",
        roles=frozenset(ADMINISTRATORS),
    ),
    Entry(
        route="console:overview",
        label=_("Console"),
        icon="activity",
        roles=frozenset(CONSOLE_READERS),
    ),
    Entry(
        route="console:usage",
        label=_("Usage"),
        icon="chart-line",
        roles=frozenset(USAGE_READERS),
        unless=frozenset(CONSOLE_READERS),
    ),
    Entry(
        route="organizations:people",
        label=_("People"),
        icon="users",
        roles=frozenset(PEOPLE_MANAGERS),
    ),
    Entry(
        route="organizations:structure",
        label=_("Divisions"),
        icon="network",
        roles=frozenset(PEOPLE_MANAGERS),
    ),
    Entry(
        route="organizations:audit",
        label=_("Audit log"),
        icon="scroll-text",
        roles=frozenset(AUDIT_READERS),
    ),
    Entry(
        route="organizations:settings",
        label=_("Organization"),
        icon="building-2",
        roles=frozenset(ADMINISTRATORS),
    ),
]


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Return the shell of a signed-in person; an empty one for everybody else. Costs one query."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"shell": Shell()}
    roles: dict[Organization, set[str]] = {}
    held = Membership.objects.filter(user=user).select_related("organization")
    for membership in held.order_by("organization__name"):
        roles.setdefault(membership.organization, set()).add(membership.role)
    mine = list(roles)
    current = getattr(request, "organization", None) or _last_used(request, mine)
    if current is None:
        return {"shell": Shell(organizations=mine)}
    if request.session.get("organization") != str(current.pk):
        request.session["organization"] = str(current.pk)
    here = roles.get(current, set())
    return {
        "shell": Shell(
            organization=current,
            organizations=mine,
            can_administrate=not here.isdisjoint(ADMINISTRATORS),
            nav=_entries(request, current, here),
        )
    }


def _last_used(request: HttpRequest, mine: list[Organization]) -> Organization | None:
    wanted = request.session.get("organization")
    return next((one for one in mine if str(one.pk) == wanted), mine[0] if mine else None)


def _entries(request: HttpRequest, organization: Organization, roles: set[str]) -> list[NavEntry]:
    shown = []
    for entry in ENTRIES:
        if entry.roles and entry.roles.isdisjoint(roles):
            continue
        if not entry.unless.isdisjoint(roles):
            continue
        url = reverse(entry.route, args=[organization.slug])
        active = request.path.startswith(url)
        shown.append(NavEntry(url=url, label=str(entry.label), icon=entry.icon, active=active))
    return shown
