"""What the list of notebooks and the trash show: shaped for the page, in a constant count of queries."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.core.paginator import Page, Paginator
from django.db import models
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Lower
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User
from apps.notebooks import selectors
from apps.notebooks.models import Notebook, Visit
from apps.organizations.models import Organization, Workspace
from apps.organizations.policy import Level
from apps.organizations.services.retention import retention_of

PAGE_SIZE = 40


class Sort(models.TextChoices):
    """In which order the list stands."""

    OPENED = "opened", _("Recently opened")
    EDITED = "edited", _("Recently edited")
    TITLE = "title", _("Title")


class Whose(models.TextChoices):
    """Which notebooks the list holds."""

    ALL = "all", _("All")
    MINE = "mine", _("Owned by me")
    SHARED = "shared", _("Shared with me")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the person asked the list for."""

    q: str = ""
    sort: str = Sort.OPENED
    whose: str = Whose.ALL
    workspace: uuid.UUID | None = None
    page: int = 1

    @property
    def is_narrowed(self) -> bool:
        """Say whether something that exists may be left out."""
        return bool(self.q or self.workspace or self.whose != Whose.ALL)

    @property
    def query(self) -> str:
        """Return the shortest query string that asks for the first page of this."""
        usual = Wanted()
        asked = {name: getattr(self, name) for name in ("q", "whose", "workspace", "sort")}
        kept = {name: value for name, value in asked.items() if value != getattr(usual, name)}
        return f"?{urlencode(kept)}" if kept else ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One notebook of the list and what this person may do with it."""

    notebook: Notebook
    level: Level
    opened_at: datetime | None = None
    goes_at: datetime | None = (
        None  # in the trash: when it is deleted for good; None: not by itself
    )

    @property
    def may_manage(self) -> bool:
        """Say whether the person may move, trash, restore and delete it."""
        return self.level >= Level.MANAGE

    @property
    def may_write(self) -> bool:
        """Say whether the person's words are taken."""
        return self.level >= Level.EDIT


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One page of the list."""

    wanted: Wanted
    page: Page[Notebook]
    rows: list[Row]
    workspaces: list[Workspace] = field(default_factory=list)  # to narrow the list to
    writable: list[Workspace] = field(default_factory=list)  # to create in


def notebooks_listed(user: User, organization: Organization, wanted: Wanted) -> Listing:
    """Return the page of notebooks that the person asked for."""
    reach = selectors.reach_of(user, organization)
    visible = reach.visible().alive()
    workspaces = Workspace.objects.filter(pk__in=visible.values("workspace"))
    found = _narrowed(visible, user, wanted)
    if wanted.whose == Whose.SHARED:
        found = found.filter(pk__in=reach.granted()).exclude(owner=user)
    page = Paginator(_ordered(found, wanted), PAGE_SIZE).get_page(wanted.page)
    return Listing(
        wanted=wanted,
        page=page,
        rows=_rows(reach, page.object_list),
        workspaces=list(workspaces.select_related("division")),
        writable=list(reach.writable()),
    )


def trash_listed(user: User, organization: Organization, number: int) -> Listing:
    """Return a page of the trash: what the person could open, the latest first."""
    reach = selectors.reach_of(user, organization)
    thrown = (
        reach.visible()
        .trashed()
        .select_related("workspace", "owner", "trashed_by")
        .order_by("-trashed_at")
    )
    page = Paginator(thrown, PAGE_SIZE).get_page(number)
    days = retention_of(organization).trash_days
    rows = [
        replace(row, goes_at=row.notebook.trashed_at + timedelta(days=days))
        if days is not None and row.notebook.trashed_at
        else row
        for row in _rows(reach, page.object_list)
    ]
    return Listing(wanted=Wanted(page=number), page=page, rows=rows)


def _narrowed(
    notebooks: QuerySet[Notebook], user: User, wanted: Wanted
) -> QuerySet[Notebook, Notebook]:
    opened = Visit.objects.filter(notebook=OuterRef("pk"), user=user).values("opened_at")
    notebooks = notebooks.annotate(opened_at=Subquery(opened[:1]))
    if wanted.q:
        notebooks = notebooks.filter(title__icontains=wanted.q)
    if wanted.workspace:
        notebooks = notebooks.filter(workspace=wanted.workspace)
    if wanted.whose == Whose.MINE:
        notebooks = notebooks.filter(owner=user)
    return notebooks.select_related("workspace__division", "owner", "edited_by")


def _ordered(notebooks: QuerySet[Notebook], wanted: Wanted) -> QuerySet[Notebook]:
    if wanted.sort == Sort.TITLE:
        return notebooks.order_by(Lower("title"), "pk")
    if wanted.sort == Sort.EDITED:
        return notebooks.order_by("-edited_at", "-pk")
    return notebooks.order_by(F("opened_at").desc(nulls_last=True), "-edited_at", "-pk")


def _rows(reach: selectors.Reach, notebooks: Iterable[Notebook]) -> list[Row]:
    listed = list(notebooks)
    levels = reach.levels(listed)
    return [
        Row(
            notebook=notebook,
            level=levels[notebook.pk],
            opened_at=getattr(notebook, "opened_at", None),  # annotated in _narrowed
        )
        for notebook in listed
    ]
