"""Exports of an organization, for its owners; what it, or a notebook, is to forget."""

import uuid
from http import HTTPStatus

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.notebooks.services import erasure
from apps.notebooks.services.notebooks import refuse_trash
from apps.notebooks.views.entrance import enter_notebook
from apps.operations import erasable, selectors, services
from apps.operations import erasing as erasers
from apps.operations.forms import OutputForm, PersonForm, SureForm
from apps.operations.models import Export
from apps.organizations.models import Organization
from apps.organizations.policy import Level
from apps.organizations.views.entrance import enter
from apps.organizations.views.entrance import person as person_of

ADMINISTRATORS = "organizations.change_organization"
OWNERS = "organizations.delete_organization"  # an export shows what owners may not read otherwise


@login_required
@require_http_methods(["GET", "POST"])
def exports(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the exports that can be fetched, and have another one put together."""
    organization = enter(request, slug, need=OWNERS)
    if request.method == "POST":
        services.request_export(organization=organization, by=person_of(request))
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
    services.note_fetch(export=export, by=person_of(request))
    name = f"{export.organization.slug}-{export.created_at:%Y-%m-%d}.zip"
    stored = default_storage.open(str(export.file.name), "rb")
    return FileResponse(stored, as_attachment=True, filename=name)


@login_required
@require_POST
def forget_past(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Forget everything about the notebook that does not stand in it now."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    refuse_trash(book)
    erasure.forget_past(notebook=book, by=person_of(request))
    messages.success(
        request, _("What does not stand in “%(title)s” is forgotten.") % {"title": book}
    )
    return redirect("notebooks:notebook", book.pk)


@login_required
@require_safe
def erasing(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask what is to be forgotten, lead there, and show what was."""
    organization = enter(request, slug, need=ADMINISTRATORS)
    people = PersonForm(request.GET if "person" in request.GET else None, organization=organization)
    outputs = OutputForm(request.GET if "output" in request.GET else None)
    if people.is_valid():
        return redirect("operations:erase_person", slug, people.cleaned_data["person"].pk)
    if outputs.is_valid():
        return redirect("operations:erase_output", slug, outputs.chosen)
    is_refused = people.is_bound or outputs.is_bound
    context = {
        "organization": organization,
        "people": people,
        "outputs": outputs,
        "past": erasable.past(organization),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if is_refused else HTTPStatus.OK
    return render(request, "operations/erasing.html", context, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def erase_person(request: HttpRequest, slug: str, person: uuid.UUID) -> HttpResponse:
    """Show what a person wrote here that would go; with their address typed, have it forgotten."""
    organization = enter(request, slug, need=ADMINISTRATORS)
    writing = erasable.writing_of(person_of(request), organization, person)
    return _erase_person(request, organization, writing)


@reauthentication_required
def _erase_person(
    request: HttpRequest, organization: Organization, writing: erasable.Writing
) -> HttpResponse:
    form = SureForm(request.POST or None, word=writing.person.email)
    if request.method == "POST" and form.is_valid():
        told = erasers.erase_text_of(
            person=writing.person, organization=organization, by=person_of(request)
        )
        said = ngettext(
            "Forgotten in %(count)s notebook. What it was stands below.",
            "Forgotten in %(count)s notebooks. What it was stands below.",
            told["notebooks"],
        )
        messages.success(request, said % {"count": told["notebooks"]})
        return redirect("operations:erasing", organization.slug)
    context = {"organization": organization, "writing": writing, "form": form}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "operations/erase_person.html", context, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def erase_output(request: HttpRequest, slug: str, output: uuid.UUID) -> HttpResponse:
    """Show what goes with a text of a model; with the word typed, have it forgotten."""
    organization = enter(request, slug, need=ADMINISTRATORS)
    text = erasable.text_of(person_of(request), organization, output)
    return _erase_output(request, organization, text)


@reauthentication_required
def _erase_output(
    request: HttpRequest, organization: Organization, text: erasable.Text
) -> HttpResponse:
    form = SureForm(request.POST or None, word=_("erase"))
    if request.method == "POST" and form.is_valid():
        erasers.erase_output(output=text.output, by=person_of(request))
        messages.success(request, _("The text is forgotten. What went with it stands below."))
        return redirect("operations:erasing", organization.slug)
    context = {"organization": organization, "text": text, "form": form}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "operations/erase_output.html", context, status=status)
