"""What the shell around every page shows."""

from dataclasses import dataclass, field

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from apps.organizations.models import Organization


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


# (route, label, icon, permission)
ENTRIES = [
    ("notebooks:list", "Notebooks", "notebook-text", None),
    ("notebooks:trash", "Trash", "trash-2", None),
    ("organizations:people", "People", "users", "organizations.manage_people"),
    ("organizations:structure", "Divisions", "network", "organizations.manage_divisions"),
    ("organizations:audit", "Audit log", "scroll-text", "organizations.read_audit"),
]


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Return the shell of a signed-in person; an empty one for everybody else."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"shell": Shell()}
    mine = list(Organization.objects.of(user).order_by("name"))
    current = getattr(request, "organization", None) or _last_used(request, mine)
    if current is None:
        return {"shell": Shell(organizations=mine)}
    request.session["organization"] = str(current.pk)
    return {
        "shell": Shell(
            organization=current,
            organizations=mine,
            can_administrate=user.has_perm("organizations.change_organization", current),
            nav=_entries(request, current),
        )
    }


def _last_used(request: HttpRequest, mine: list[Organization]) -> Organization | None:
    wanted = request.session.get("organization")
    return next((one for one in mine if str(one.pk) == wanted), mine[0] if mine else None)


def _entries(request: HttpRequest, organization: Organization) -> list[NavEntry]:
    shown = []
    for route, label, icon, permission in ENTRIES:
        if permission and not request.user.has_perm(permission, organization):
            continue
        try:
            url = reverse(route, args=[organization.slug])
        except NoReverseMatch:
            continue
        active = request.path.startswith(url)
        shown.append(NavEntry(url=url, label=_(label), icon=icon, active=active))
    return shown
