"""The way in: a notebook's pages are entered through its gate."""

import uuid

from django.http import HttpRequest
from django.urls import reverse

from apps.core.errors import NotVisible
from apps.notebooks.models import Notebook
from apps.notebooks.selectors import Access, access_notebook
from apps.organizations.policy import Level
from apps.organizations.views.entrance import person


def enter_notebook(
    request: HttpRequest, pk: uuid.UUID | str, *, need: Level = Level.VIEW
) -> Access:
    """Return the notebook if the person may, and let the shell show its organization."""
    access = access_notebook(person(request), pk, need=need)
    request.organization = access.notebook.organization  # type: ignore[attr-defined]
    return access


def way_to(notebook: Notebook, here: str) -> list[tuple[str, str]]:
    """Return the breadcrumbs of a page about the notebook."""
    listed = reverse("notebooks:list", args=[notebook.organization.slug])
    return [
        (notebook.workspace.name, f"{listed}?workspace={notebook.workspace_id}"),
        (str(notebook), reverse("notebooks:notebook", args=[notebook.pk])),
        (here, ""),
    ]


def enter_to_write(request: HttpRequest, pk: uuid.UUID | str) -> Access:
    """Return the notebook if what the person writes into it is taken; nothing of the trash."""
    access = enter_notebook(request, pk, need=Level.EDIT)
    if not access.may_edit:
        raise NotVisible
    return access
