"""The page of one notebook, and its title."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import User
from apps.learning.selectors import may_learn_from_notebook
from apps.notebooks import ai
from apps.notebooks.forms import TitleForm
from apps.notebooks.models import SCHEMA_VERSION, Notebook
from apps.notebooks.selectors import Access, workspaces_to_write_in
from apps.notebooks.services.notebooks import record_visit, rename_notebook
from apps.notebooks.views.editor_words import editor_words
from apps.notebooks.views.entrance import enter_notebook, enter_to_write
from apps.organizations.views.entrance import person


@login_required
@require_GET
def notebook(request: HttpRequest, notebook: UUID) -> HttpResponse:
    """Show the editor; its text comes over the socket, or from the browser's own copy."""
    access = enter_notebook(request, notebook)
    book, user = access.notebook, person(request)
    record_visit(notebook=book, user=user)
    context = {
        "access": access,
        "notebook": book,
        "crumbs": _crumbs(book),
        "page": _page_data(user, access),
        "learns": may_learn_from_notebook(book.pk),
        "may_duplicate": workspaces_to_write_in(user, book.organization).exists(),
    }
    return render(request, "notebooks/notebook.html", context)


@login_required
@require_POST
def rename(request: HttpRequest, notebook: UUID) -> HttpResponse:
    """Change the title; answer with how it stands now."""
    access = enter_to_write(request, notebook)
    form = TitleForm(request.POST)
    if not form.is_valid():
        reason = str(form.errors["title"][0])
        return JsonResponse({"error": reason}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    title = form.cleaned_data["title"]
    book = rename_notebook(notebook=access.notebook, by=person(request), title=title)
    return JsonResponse({"title": book.title})


def _crumbs(notebook: Notebook) -> list[tuple[str, str]]:
    """Return the way here: the list of the workspace, then the notebook."""
    listed = reverse("notebooks:list", args=[notebook.organization.slug])
    return [
        (notebook.workspace.name, f"{listed}?workspace={notebook.workspace_id}"),
        (str(notebook), ""),
    ]


def _page_data(user: User, access: Access) -> dict[str, Any]:
    """Return what the editor starts from (static/notebooks/editor/notebookEditor.js)."""
    notebook = access.notebook
    return {
        "notebook": {"id": str(notebook.pk), "title": notebook.title},
        "user": {"id": str(user.pk), "name": str(user), "color": user.caret_color},
        "level": int(access.level),
        "trashed": notebook.trashed_at is not None,
        "ai": ai.is_on(user, notebook),
        "schemaVersion": SCHEMA_VERSION,
        "epoch": str(notebook.document.epoch),
        "urls": {
            "page": reverse("notebooks:notebook", args=[notebook.pk]),
            "updates": reverse("notebooks:updates", args=[notebook.pk]),
            "fork": reverse("notebooks:fork", args=[notebook.pk]),
            "images": reverse("notebooks:images", args=[notebook.pk]),
            "chain": reverse("notebooks:chain", args=[notebook.pk]),
            "downloaded": reverse("notebooks:downloaded", args=[notebook.pk]),
            "rename": reverse("notebooks:rename", args=[notebook.pk]),
        },
        "scripts": {"extras": static("notebooks/extras.js")},
        "icons": static("core/icons.svg"),
        "words": editor_words(),
    }
