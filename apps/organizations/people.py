"""What the page "People" shows: who has which role where, as far as the viewer administers."""

from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet

from apps.accounts.models import User
from apps.organizations.models import Invitation, Membership, Role
from apps.organizations.policy import RANK
from apps.organizations.reach import Reach, place_value

PER_PAGE = 50


@dataclass(frozen=True, kw_only=True)
class PeopleFilter:
    """What the viewer asked for."""

    words: str = ""
    role: str = ""
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class HeldRole:
    """A role of a person, and what the viewer may make of it."""

    membership: Membership
    choices: list[Role]  # empty: the viewer may not change it
    may_end: bool


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """A person of the list."""

    user: User
    roles: list[HeldRole]
    may_remove: bool


@dataclass(frozen=True, kw_only=True)
class PeoplePage:
    """A page of the list."""

    rows: list[PersonRow]
    page: Page[User]


def people_page(*, reach: Reach, wanted: PeopleFilter, number: str | None = None) -> PeoplePage:
    """Return a page of the people within reach, by name."""
    shown = Membership.objects.filter(reach.memberships())
    people = _matching(shown, wanted)
    page = Paginator(people, PER_PAGE).get_page(number)
    users = list(page.object_list)
    held: dict[object, list[Membership]] = {user.pk: [] for user in users}
    rows = shown.filter(user__in=users).select_related(
        "user", "organization", "division", "workspace"
    )
    for membership in rows:
        held[membership.user_id].append(membership)
    in_all = _roles_in_all(reach, users)
    return PeoplePage(
        rows=[_row(reach, user, held=held[user.pk], in_all=in_all[user.pk]) for user in users],
        page=page,
    )


def open_invitations(reach: Reach) -> QuerySet[Invitation]:
    """Return the open invitations within reach, the newest first."""
    return (
        Invitation.objects.open()
        .filter(reach.memberships())
        .select_related("organization", "division", "workspace", "invited_by")
        .order_by("-created_at")
    )


def _matching(shown: QuerySet[Membership], wanted: PeopleFilter) -> QuerySet[User]:
    if wanted.role:
        shown = shown.filter(role=wanted.role)
    if wanted.place:
        shown = shown.filter(_at(wanted.place))
    people = User.objects.filter(pk__in=shown.values("user"))
    if wanted.words:
        people = people.filter(Q(name__icontains=wanted.words) | Q(email__icontains=wanted.words))
    return people.order_by("name", "email")


def _at(place: str) -> Q:
    """Return the filter for roles held in exactly this place; nothing for what is no place."""
    kind, _colon, pk = place.partition(":")
    if kind == "organization":
        return Q(division__isnull=True, workspace__isnull=True)
    return Q(**{kind: pk}) if kind in {"division", "workspace"} else Q(pk__in=[])


def _roles_in_all(reach: Reach, users: list[User]) -> dict[object, int]:
    """Return how many roles each has in the whole organization, those out of sight included."""
    counted = (
        Membership.objects.filter(organization=reach.organization, user__in=users)
        .values_list("user")
        .annotate(Count("pk"))
        .order_by()
    )
    return dict(counted)


def _row(reach: Reach, user: User, *, held: list[Membership], in_all: int) -> PersonRow:
    roles = [_held(reach, membership, last=in_all == 1) for membership in held]
    reachable = all(
        RANK[m.role] <= reach.rank_at(place_value(m.scope)) for m in held
    ) and in_all == len(held)
    return PersonRow(
        user=user,
        roles=sorted(roles, key=lambda one: -RANK[one.membership.role]),
        may_remove=reachable and user != reach.user,
    )


def _held(reach: Reach, membership: Membership, *, last: bool) -> HeldRole:
    place = reach.by_value[place_value(membership.scope)]
    reachable = RANK[membership.role] <= place.rank
    own = membership.user_id == reach.user.pk
    return HeldRole(
        membership=membership,
        choices=place.roles if reachable and (not own or reach.owns) else [],
        may_end=reachable and not last,
    )
