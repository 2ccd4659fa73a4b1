"""Exports of an organization, for its owners; and what a notebook is to forget."""

import uuid

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.notebooks.services import erasure
from apps.notebooks.services.notebooks import refuse_trash
from apps.notebooks.views.entrance import enter_notebook
from apps.operations import selectors, services
from apps.operations.models import Export
from apps.organizations.policy import Level
from apps.organizations.views.entrance import enter, person

OWNERS = "organizations.delete_organization"  # an export shows what owners may not read otherwise


@login_required
@require_http_methods(["GET", "POST"])
def exports(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the exports that can be fetched, and have another one put together."""
    organization = enter(request, slug, need=OWNERS)
    if request.method == "POST":
        services.request_export(organization=organization, by=person(request))
        messages.success(request, _("The export is being put together. Look again in a moment."))
        return redirect("operations:exports", organization.slug)
    shown = Export.objects.open().filter(organization=organization).select_related("requested_by")
    context = {"organization": organization, "exports": shown}
    return render(request, "operations/exports.html", context)


@login_required
@require_safe
def export_file(request: HttpRequest, slug: str, pk: uuid.UUID) -> FileResponse:
    """Send an export to an owner who has just shown who they are."""
    organization = enter(request, slug, need=OWNERS)
    export = selectors.export_of(organization, pk)
    return _sent(request, export)


@reauthentication_required
def _sent(request: HttpRequest, export: Export) -> FileResponse:
    services.note_fetch(export=export, by=person(request))
    name = f"{export.organization.slug}-{export.created_at:%Y-%m-%d}.zip"
    stored = default_storage.open(str(export.file.name), "rb")
    return FileResponse(stored, as_attachment=True, filename=name)


@login_required
@require_POST
def forget_past(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Forget everything about the notebook that does not stand in it now."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    refuse_trash(book)
    erasure.forget_past(notebook=book, by=person(request))
    messages.success(
        request, _("What does not stand in “%(title)s” is forgotten.") % {"title": book}
    )
    return redirect("notebooks:notebook", book.pk)
