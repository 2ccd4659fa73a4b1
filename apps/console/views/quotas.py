"""The page "Limits": what is set, spent and waited for; and to set, raise and remove it."""

import uuid
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.console import quota_list
from apps.console.forms import QuotaForm
from apps.console.views.entrance import OPEN, SET, page_context
from apps.inference import quotas as service
from apps.organizations.models import Organization
from apps.organizations.views.entrance import enter, person


@login_required
@require_GET
def quotas(request: HttpRequest, slug: str) -> HttpResponse:
    """Show every limit, today's use, and what waits."""
    organization = enter(request, slug, need=OPEN)
    return _page(request, organization, QuotaForm(organization=organization), status=HTTPStatus.OK)


@login_required
@require_POST
def set_quota(request: HttpRequest, slug: str) -> HttpResponse:
    """Set or raise a limit."""
    organization = enter(request, slug, need=SET)
    form = QuotaForm(request.POST, organization=organization)
    if not form.is_valid():
        return _page(request, organization, form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    service.set_quota(
        organization=organization,
        by=person(request),
        tokens_per_day=form.cleaned_data["tokens_per_day"],
        division=form.division,
        user=form.user,
    )
    messages.success(request, _("The limit is set. What waited because of it goes on by itself."))
    return redirect("console:quotas", slug)


@login_required
@require_POST
def remove_quota(request: HttpRequest, slug: str, quota: uuid.UUID) -> HttpResponse:
    """Take a limit away."""
    organization = enter(request, slug, need=SET)
    found = quota_list.quota_in(organization, quota)
    service.set_quota(
        organization=organization,
        by=person(request),
        tokens_per_day=None,
        division=found.division,
        user=found.user,
    )
    messages.success(request, _("The limit is gone."))
    return redirect("console:quotas", slug)


def _page(
    request: HttpRequest, organization: Organization, form: QuotaForm, *, status: HTTPStatus
) -> HttpResponse:
    context = page_context(request, organization, here="quotas", title=_("Limits")) | {
        "form": form,
        "rows": quota_list.rows_of(organization, timezone.now()),
        "may_set": request.user.has_perm(SET, organization),
    }
    return render(request, "console/quotas.html", context, status=status)
