"""The page "Models": what there is, what writes, how another one comes here, and how it writes."""

import uuid
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.catalog import folders, hub, imports
from apps.catalog import selectors as catalog
from apps.catalog import services as deploying
from apps.catalog.models import ModelImport, Trial
from apps.catalog.outlook import ModelRefused
from apps.core.errors import NotVisible
from apps.inference import model_list
from apps.inference.forms import SourceForm, TrialForm
from apps.inference.trials import request_trial
from apps.organizations.models import Organization
from apps.organizations.views.entrance import enter, person

CHOOSE = "organizations.choose_models"  # owners and admins
SHOWN = 10  # imports in the list


@login_required
@require_GET
def models(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the models, and the way to add one."""
    organization = enter(request, slug, need=CHOOSE)
    return _page(request, organization, SourceForm(), status=HTTPStatus.OK)


@login_required
@require_POST
def look(request: HttpRequest, slug: str) -> HttpResponse:
    """Look at a model that somebody wants to add; what was found waits for their decision."""
    organization = _enter_as_operator(request, slug)
    form = SourceForm(request.POST)
    if form.is_valid():
        try:
            found = imports.outlook_on(form.cleaned_data["source"])
        except ModelRefused as refusal:
            form.add_error("source", str(refusal))
        else:
            one = imports.keep(found=found, organization=organization, by=person(request))
            return redirect("inference:adding", slug, one.pk)
    return _page(request, organization, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)


@login_required
@require_GET
def adding(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """Show what was found, then how far it is; htmx asks for that alone, meanwhile."""
    organization = enter(request, slug, need=CHOOSE)
    one = catalog.import_for(organization, pk)
    context = {
        "organization": organization,
        "one": one,
        "parameters": model_list.as_count(one.parameters),
        "is_operator": _is_operator(request),
        "crumbs": _crumbs(organization, one.name),
    }
    fragment = "#state" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"inference/adding.html{fragment}", context)


@login_required
@require_POST
def start(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """Have the model fetched, or go on with it."""
    organization = _enter_as_operator(request, slug)
    one = catalog.import_for(organization, pk)
    try:
        imports.start(one=one, by=person(request))
    except imports.NothingToStart as already:  # a second click, or another tab: the page shows it
        messages.info(request, str(already))
    return redirect("inference:adding", slug, one.pk)


@login_required
@require_POST
def cancel(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """Stop fetching; what has come is thrown away."""
    organization = _enter_as_operator(request, slug)
    one = catalog.import_for(organization, pk)
    try:
        imports.cancel(one=one, by=person(request))
    except imports.NothingToStart as over:
        messages.info(request, str(over))
        return redirect("inference:adding", slug, one.pk)
    messages.success(request, _("Stopped. What had come is thrown away."))
    return redirect("inference:models", slug)


@login_required
@require_http_methods(["GET", "POST"])
def model(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """Show one model, and have it write something."""
    organization = enter(request, slug, need=CHOOSE)
    variant = catalog.variant_for(organization, pk)
    form = TrialForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        prompt = form.cleaned_data["prompt"]
        asked = request_trial(
            variant=variant, organization=organization, prompt=prompt, by=person(request)
        )
        return redirect("inference:trial", slug, asked.pk)
    return _model_page(request, organization, variant.pk, form=form)


@login_required
@require_GET
def trial(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """Show what a model writes; htmx asks for that alone, meanwhile."""
    organization = enter(request, slug, need=CHOOSE)
    shown = catalog.trial_for(organization, pk)
    if request.htmx:  # type: ignore[attr-defined]
        context = {"organization": organization, "trial": shown}
        return render(request, "inference/model.html#trial", context)
    form = TrialForm(initial={"prompt": shown.prompt})
    return _model_page(request, organization, shown.variant_id, form=form, shown=shown)


@login_required
@require_POST
def use_as_writer(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """Let the model write for the organization."""
    organization = enter(request, slug, need=CHOOSE)
    variant = catalog.variant_for(organization, pk)
    deploying.choose_writer(variant=variant, organization=organization, by=person(request))
    said = _("%(name)s writes for %(organization)s from the next update on.")
    name = variant.manifest.get("name") or variant.version.family
    messages.success(request, said % {"name": name, "organization": organization.name})
    return redirect("inference:models", slug)


@login_required
@require_POST
def remove(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """Remove a model that nothing uses."""
    organization = _enter_as_operator(request, slug)
    variant = catalog.variant_for(organization, pk)
    deploying.remove(variant=variant, organization=organization, by=person(request))
    messages.success(request, _("The model is removed. It can be added again."))
    return redirect("inference:models", slug)


def _is_operator(request: HttpRequest) -> bool:
    user = person(request)
    return user.is_active and user.is_staff


def _enter_as_operator(request: HttpRequest, slug: str) -> Organization:
    """Return the organization; NotVisible unless the person also operates this installation."""
    organization = enter(request, slug, need=CHOOSE)
    if not _is_operator(request):
        raise NotVisible
    return organization


def _crumbs(organization: Organization, here: str) -> list[tuple[str, str]]:
    return [
        (organization.name, reverse("notebooks:list", args=[organization.slug])),
        (_("Models"), reverse("inference:models", args=[organization.slug])),
        (here, ""),
    ]


def _page(
    request: HttpRequest, organization: Organization, form: SourceForm, *, status: HTTPStatus
) -> HttpResponse:
    is_operator = _is_operator(request)
    imported = ModelImport.objects.filter(organization=organization)
    context = {
        "organization": organization,
        "rows": model_list.rows_of(organization),
        "imports": imported.exclude(status=ModelImport.Status.FOUND)[:SHOWN],
        "form": form,
        "is_operator": is_operator,
        "hub": hub.host(),
        "suitable": model_list.SUITABLE,
        "roots": folders.roots() if is_operator else [],
        "offered": folders.offered() if is_operator else [],
    }
    return render(request, "inference/models.html", context, status=status)


def _model_page(
    request: HttpRequest,
    organization: Organization,
    variant: uuid.UUID,
    *,
    form: TrialForm,
    shown: Trial | None = None,
) -> HttpResponse:
    row = next((one for one in model_list.rows_of(organization) if one.variant.pk == variant), None)
    if row is None:
        raise NotVisible
    context = {
        "organization": organization,
        "row": row,
        "form": form,
        "trial": shown,
        "is_operator": _is_operator(request),
        "crumbs": _crumbs(organization, row.name),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "inference/model.html", context, status=status)
