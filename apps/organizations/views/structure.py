"""The tree of divisions and workspaces."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.organizations import forms, selectors
from apps.organizations.models import Organization
from apps.organizations.services import structure as services
from apps.organizations.tree import tree_of
from apps.organizations.views.entrance import enter, person, words_of

NEED = "organizations.open_structure"
MANAGE_DIVISIONS = "organizations.manage_divisions"
MANAGE_WORKSPACES = "organizations.manage_workspaces"


@login_required
@require_GET
def structure(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the tree within the viewer's reach."""
    organization = enter(request, slug, need=NEED)
    context = {"organization": organization, "tree": tree_of(person(request), organization)}
    return render(request, "organizations/structure.html", context)


@login_required
@require_POST
def add_division(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a division at the top or within another."""
    organization = enter(request, slug, need=NEED)
    form = forms.DivisionForm(request.POST, organization=organization)
    if form.is_valid():
        parent = form.cleaned_data["parent"]
        selectors.allowed(person(request), parent or organization, MANAGE_DIVISIONS)
        division = services.add_division(
            organization=organization,
            parent=parent,
            name=form.cleaned_data["name"],
            by=person(request),
        )
        messages.success(request, _("“%(name)s” is there.") % {"name": division})
    return _back(request, organization, form)


@login_required
@require_POST
def edit_division(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Rename a division, move it, or both."""
    organization = enter(request, slug, need=NEED)
    division = selectors.division_for(
        person(request), pk, within=organization, need=MANAGE_DIVISIONS
    )
    form = forms.DivisionForm(request.POST, organization=organization)
    if form.is_valid():
        parent = form.cleaned_data["parent"]
        if parent != division.parent:
            for place in (division.parent, parent):
                selectors.allowed(person(request), place or organization, MANAGE_DIVISIONS)
            services.move_division(division=division, parent=parent, by=person(request))
        if form.cleaned_data["name"] != division.name:
            name = form.cleaned_data["name"]
            services.rename_division(division=division, name=name, by=person(request))
        messages.success(request, _("“%(name)s” is changed.") % {"name": division})
    return _back(request, organization, form)


@login_required
@require_POST
def delete_division(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Delete an empty division."""
    organization = enter(request, slug, need=NEED)
    division = selectors.division_for(
        person(request), pk, within=organization, need=MANAGE_DIVISIONS
    )
    services.delete_division(division=division, by=person(request))
    messages.success(request, _("“%(name)s” is deleted.") % {"name": division})
    return _back(request, organization)


@login_required
@require_POST
def add_workspace(request: HttpRequest, slug: str) -> HttpResponse:
    """Add a workspace in a division."""
    organization = enter(request, slug, need=NEED)
    form = forms.WorkspaceForm(request.POST, organization=organization)
    if form.is_valid():
        division = form.cleaned_data["division"]
        selectors.allowed(person(request), division, MANAGE_WORKSPACES)
        name = form.cleaned_data["name"]
        workspace = services.add_workspace(division=division, name=name, by=person(request))
        messages.success(request, _("“%(name)s” is there.") % {"name": workspace})
    return _back(request, organization, form)


@login_required
@require_POST
def edit_workspace(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Rename a workspace, move it to another division, or both."""
    organization = enter(request, slug, need=NEED)
    workspace = selectors.workspace_for(
        person(request), pk, within=organization, need=MANAGE_WORKSPACES
    )
    form = forms.WorkspaceForm(request.POST, organization=organization)
    if form.is_valid():
        division = form.cleaned_data["division"]
        if division != workspace.division:
            for place in (workspace.division, division):
                selectors.allowed(person(request), place, MANAGE_WORKSPACES)
            services.move_workspace(workspace=workspace, division=division, by=person(request))
        if form.cleaned_data["name"] != workspace.name:
            name = form.cleaned_data["name"]
            services.rename_workspace(workspace=workspace, name=name, by=person(request))
        messages.success(request, _("“%(name)s” is changed.") % {"name": workspace})
    return _back(request, organization, form)


@login_required
@require_POST
def archive_workspace(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Archive an open workspace; reopen an archived one."""
    organization = enter(request, slug, need=NEED)
    workspace = selectors.workspace_for(
        person(request), pk, within=organization, need=MANAGE_WORKSPACES
    )
    if workspace.archived_at:
        services.reopen_workspace(workspace=workspace, by=person(request))
        messages.success(request, _("“%(name)s” is open again.") % {"name": workspace})
    else:
        services.archive_workspace(workspace=workspace, by=person(request))
        messages.success(request, _("“%(name)s” is archived.") % {"name": workspace})
    return _back(request, organization)


def _back(
    request: HttpRequest, organization: Organization, form: Form | None = None
) -> HttpResponse:
    if form is not None and form.errors:
        messages.error(request, words_of(form))
    return redirect("organizations:structure", organization.slug)
