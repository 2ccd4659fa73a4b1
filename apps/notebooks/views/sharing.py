"""The share dialog, and the door that a link opens.

Without a script the dialog is a page of its own; every action answers with the whole of its content.
"""

import uuid
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.core.errors import NotVisible
from apps.notebooks import access_list, forms, selectors
from apps.notebooks.models import Notebook, ShareGrant
from apps.notebooks.services import notebooks as notebook_services
from apps.notebooks.services import sharing as services
from apps.notebooks.services.sharing import link_token
from apps.notebooks.views.entrance import enter_notebook, way_to
from apps.organizations.models import Division
from apps.organizations.policy import Level
from apps.organizations.views.entrance import person


@login_required
@require_GET
def share(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Show who has access to the notebook and why."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    fragment = "#dialog" if request.htmx else ""  # type: ignore[attr-defined]
    context = {**_context(request, book), "fresh": True}  # the caret goes where one begins
    return render(request, f"notebooks/share.html{fragment}", context)


@login_required
@require_GET
def share_search(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Show whom the typed words may mean."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    found = access_list.suggestions(book, forms.searched(request.GET, "who"))
    return render(request, "notebooks/share.html#suggestions", {"found": found})


@login_required
@require_POST
def share_add(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Share with a person or a division."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    form = forms.ShareForm(request.POST, organization=book.organization)
    if form.is_valid():
        level, found = form.cleaned_data["level"], form.found
        if isinstance(found, Division):
            services.share_with_division(
                notebook=book, by=person(request), division=found, level=level
            )
        elif found is not None:
            services.share_with_person(notebook=book, by=person(request), person=found, level=level)
    return _answer(request, book, form)


@login_required
@require_POST
def share_link(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Create a link."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    form = forms.LinkForm(request.POST)
    if form.is_valid():
        services.create_link(notebook=book, by=person(request), **form.cleaned_data)
    return _answer(request, book, form)


@login_required
@require_POST
def share_change(request: HttpRequest, notebook: uuid.UUID, grant: uuid.UUID) -> HttpResponse:
    """Change the level of a share."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    form = forms.LevelForm(request.POST)
    if form.is_valid():
        level = form.cleaned_data["level"]
        services.change_grant(grant=_grant(book, grant), by=person(request), level=level)
    return _answer(request, book, form)


@login_required
@require_POST
def share_withdraw(request: HttpRequest, notebook: uuid.UUID, grant: uuid.UUID) -> HttpResponse:
    """Withdraw a share; who withdraws the own one leaves the page."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    services.withdraw_grant(grant=_grant(book, grant), by=person(request))
    return _answer(request, book)


@login_required
@require_POST
def share_audience(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Open the notebook to its workspace, or close it."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    form = forms.AudienceForm(request.POST)
    if form.is_valid():
        audience = form.cleaned_data["audience"]
        book = services.change_audience(notebook=book, by=person(request), audience=audience)
    return _answer(request, book, form)


@login_required
@require_POST
def share_owner(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Make a person whom it is shared with the owner."""
    book = enter_notebook(request, notebook, need=Level.MANAGE).notebook
    form = forms.OwnerForm(request.POST, notebook=book)
    if form.is_valid():
        to = form.cleaned_data["grant"].user
        book = notebook_services.transfer_ownership(notebook=book, by=person(request), to=to)
    return _answer(request, book, form)


@login_required
@require_GET
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """Open the notebook of a link; the right that it gives is kept until the link ends."""
    book = services.open_link(token=token, by=person(request))
    return redirect("notebooks:notebook", book.pk)


def _grant(notebook: Notebook, pk: uuid.UUID) -> ShareGrant:
    found = notebook.grants.select_related("notebook", "user", "division").filter(pk=pk).first()
    if found is None:
        raise NotVisible
    return found


def _address(request: HttpRequest, link: ShareGrant) -> str:
    return request.build_absolute_uri(reverse("notebooks:open_link", args=[link_token(link)]))


def _context(
    request: HttpRequest, notebook: Notebook, form: Form | None = None
) -> dict[str, object]:
    shown = access_list.access_list(notebook)
    links = [(link, _address(request, link)) for link in shown.links]
    return {
        "notebook": notebook,
        "crumbs": way_to(notebook, _("Share")),
        "access": shown,
        "links": links,
        "levels": access_list.LEVELS,
        "days": forms.DAYS,
        "may_hand_over": selectors.may_hand_over(person(request), notebook),
        "form": form,
        "me": person(request),
    }


def _answer(request: HttpRequest, notebook: Notebook, form: Form | None = None) -> HttpResponse:
    """Return the dialog's content as it stands now; the page, where no script asked."""
    refused = form is not None and not form.is_valid()
    if selectors.level_of(person(request), notebook) < Level.MANAGE:
        return _left(request, notebook)
    if not request.htmx and not refused:  # type: ignore[attr-defined]
        messages.success(request, _("The access to “%(title)s” is changed.") % {"title": notebook})
        return redirect("notebooks:share", notebook.pk)
    fragment = "#sharing" if request.htmx else ""  # type: ignore[attr-defined]
    status = HTTPStatus.UNPROCESSABLE_ENTITY if refused else HTTPStatus.OK
    context = _context(request, notebook, form)
    return render(request, f"notebooks/share.html{fragment}", context, status=status)


def _left(request: HttpRequest, notebook: Notebook) -> HttpResponse:
    """Lead away who may no longer see the dialog: the own share was lowered or withdrawn."""
    response = redirect("notebooks:list", notebook.organization.slug)
    if request.htmx:  # type: ignore[attr-defined]
        response.status_code = HTTPStatus.NO_CONTENT
        response["HX-Redirect"] = response["Location"]
    return response
