"""The list of notebooks, the trash, and what one does to a notebook as a whole."""

import uuid
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from apps.notebooks import forms, selectors
from apps.notebooks.listing import Sort, Whose, notebooks_listed, trash_listed
from apps.notebooks.services import notebooks as services
from apps.notebooks.views.entrance import enter_notebook, way_to
from apps.organizations.models import Organization
from apps.organizations.policy import Level
from apps.organizations.selectors import organization_for
from apps.organizations.views.entrance import person

FRAGMENTS = {"notebooks": "#results", "more": "#rows"}  # by the element that htmx fills


@login_required
@require_GET
def notebook_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the notebooks that the person may open, as searched, narrowed and sorted."""
    organization = _enter(request, slug)
    wanted = forms.ListForm(request.GET).wanted()
    context = {
        "organization": organization,
        "listing": notebooks_listed(person(request), organization, wanted),
        "sorts": Sort.choices,
        "whose": Whose.choices,
    }
    fragment = _fragment(request)
    response = render(request, f"notebooks/list.html{fragment}", context)
    if fragment == "#results":
        response["HX-Replace-Url"] = request.path + wanted.query
    return response


@login_required
@require_GET
def trash(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what was thrown away and can come back."""
    organization = _enter(request, slug)
    number = forms.ListForm(request.GET).wanted().page
    context = {
        "organization": organization,
        "listing": trash_listed(person(request), organization, number),
    }
    return render(request, "notebooks/trash.html", context)


@login_required
@require_POST
def create(request: HttpRequest, slug: str) -> HttpResponse:
    """Create a notebook in the chosen workspace and open it."""
    organization = _enter(request, slug)
    writable = selectors.workspaces_to_write_in(person(request), organization)
    form = forms.WorkspaceForm(request.POST, workspaces=writable)
    if not form.is_valid():
        messages.error(request, _("Choose a workspace in which you may write."))
        return redirect("notebooks:list", organization.slug)
    workspace = form.cleaned_data["workspace"]
    notebook = services.create_notebook(workspace=workspace, by=person(request), title="")
    return redirect("notebooks:notebook", notebook.pk)


@login_required
@require_POST
def duplicate(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Copy the notebook, beside it where the person may write there, and open the copy."""
    book = enter_notebook(request, notebook).notebook
    writable = list(selectors.workspaces_to_write_in(person(request), book.organization))
    if not writable:
        messages.error(
            request, _("You may write in no workspace, so there is no place for a copy.")
        )
        return redirect("notebooks:notebook", book.pk)
    beside = next((one for one in writable if one.pk == book.workspace_id), writable[0])
    copy = services.duplicate_notebook(notebook=book, by=person(request), workspace=beside)
    messages.success(request, _("This is the copy, in “%(place)s”.") % {"place": beside})
    return redirect("notebooks:notebook", copy.pk)


@login_required
@require_http_methods(["GET", "POST"])
def move(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Ask for another workspace and put the notebook there."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    places = selectors.workspaces_to_write_in(person(request), book.organization)
    places = places.exclude(pk=book.workspace_id)
    form = forms.WorkspaceForm(request.POST or None, workspaces=places)
    if form.is_valid():
        place = form.cleaned_data["workspace"]
        services.move_notebook(notebook=book, by=person(request), workspace=place)
        said = _("“%(title)s” is in “%(place)s” now.")
        messages.success(request, said % {"title": book, "place": place})
        return redirect("notebooks:list", book.organization.slug)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    crumbs = way_to(book, _("Move"))
    context = {"notebook": book, "form": form, "places": places, "crumbs": crumbs}
    dialog = "#dialog" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"notebooks/move.html{dialog}", context, status=status)


@login_required
@require_POST
def trash_notebook(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Put the notebook into the trash."""
    access = enter_notebook(request, notebook, need=Level.MANAGE)
    book = services.trash_notebook(notebook=access.notebook, by=person(request))
    said = _("“%(title)s” is in the trash.") % {"title": book}
    if request.htmx and _has_others(request, book.organization):  # type: ignore[attr-defined]
        toast = {"level": "success", "message": said}
        return trigger_client_event(HttpResponse(), "toast", toast)  # nothing in place of the row
    messages.success(request, said)
    return _to(request, "notebooks:list", book.organization)


@login_required
@require_POST
def restore(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Take the notebook out of the trash."""
    access = enter_notebook(request, notebook, need=Level.MANAGE)
    book = services.restore_notebook(notebook=access.notebook, by=person(request))
    said = _("“%(title)s” is back in “%(place)s”.")
    messages.success(request, said % {"title": book, "place": book.workspace})
    return redirect("notebooks:trash", book.organization.slug)


@login_required
@require_POST
def delete(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Delete the notebook for good."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    said = _("“%(title)s” is deleted for good.") % {"title": book}
    services.delete_notebook(notebook=book, by=person(request))
    messages.success(request, said)
    return redirect("notebooks:trash", book.organization.slug)


def _enter(request: HttpRequest, slug: str) -> Organization:
    organization = organization_for(person(request), slug)
    request.organization = organization  # type: ignore[attr-defined]
    return organization


def _fragment(request: HttpRequest) -> str:
    htmx = request.htmx  # type: ignore[attr-defined]
    return FRAGMENTS.get(htmx.target or "", "") if htmx else ""


def _has_others(request: HttpRequest, organization: Organization) -> bool:
    return selectors.visible_notebooks(person(request), organization).alive().exists()


def _to(request: HttpRequest, route: str, organization: Organization) -> HttpResponse:
    """Lead to a page as a whole, htmx too."""
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(reverse(route, args=[organization.slug]))
    return redirect(route, organization.slug)
