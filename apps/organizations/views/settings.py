"""The settings of an organization."""

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.organizations.forms import NameForm
from apps.organizations.services import founding
from apps.organizations.views.entrance import enter, person


@login_required
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    """Show and change what the organization is called."""
    organization = enter(request, slug, need="organizations.change_organization")
    form = NameForm(request.POST or None, initial={"name": organization.name})
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        founding.rename_organization(organization=organization, name=name, by=person(request))
        messages.success(request, _("The new name is kept."))
        return redirect("organizations:settings", organization.slug)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"organization": organization, "form": form}
    return render(request, "organizations/settings.html", context, status=status)
