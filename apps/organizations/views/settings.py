"""The settings of an organization."""

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.organizations.forms import NameForm, RetentionForm
from apps.organizations.models import Organization
from apps.organizations.services import founding
from apps.organizations.services.retention import change_retention, retention_of
from apps.organizations.views.entrance import enter, person

NEED = "organizations.change_organization"


@login_required
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Show and change what the organization is called."""
    organization = enter(request, slug, need=NEED)
    form = NameForm(request.POST or None, initial={"name": organization.name})
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        founding.rename_organization(organization=organization, name=name, by=person(request))
        messages.success(request, _("The new name is kept."))
        return redirect("organizations:settings", organization.slug)
    return _page(request, organization, form=form)


@login_required
@require_POST
def retention(request: HttpRequest, slug: str) -> HttpResponse:
    """Change for how long the organization keeps what nobody may need any more."""
    organization = enter(request, slug, need=NEED)
    form = RetentionForm(request.POST)
    if form.is_valid():
        change_retention(organization=organization, by=person(request), days=form.days)
        messages.success(request, _("How long things are kept is changed."))
        return redirect("organizations:settings", organization.slug)
    return _page(request, organization, retention_form=form)


def _page(
    request: HttpRequest,
    organization: Organization,
    *,
    form: NameForm | None = None,
    retention_form: RetentionForm | None = None,
) -> HttpResponse:
    """Show the page, with the form that was refused as it was sent."""
    is_refused = any(one is not None and one.is_bound for one in (form, retention_form))
    kept = model_to_dict(retention_of(organization))
    context = {
        "organization": organization,
        "form": form or NameForm(initial={"name": organization.name}),
        "retention_form": retention_form or RetentionForm(initial=kept),
        "may_export": request.user.has_perm("organizations.delete_organization", organization),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if is_refused else HTTPStatus.OK
    return render(request, "organizations/settings.html", context, status=status)
