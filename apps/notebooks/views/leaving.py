"""The page on which a person leaves an organization, or is removed from it."""

from http import HTTPStatus
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from apps.accounts.models import User
from apps.notebooks.models import Notebook
from apps.notebooks.services import leaving
from apps.organizations import selectors
from apps.organizations.models import Membership, Organization
from apps.organizations.views.entrance import enter, person


class HeirForm(forms.Form):
    """Who takes over what the person owns."""

    heir = forms.ModelChoiceField(
        User.objects.none(),
        label=gettext_lazy("Who takes over the notebooks"),
        empty_label=gettext_lazy("Choose a person"),
    )


@login_required
@require_http_methods(["GET", "POST"])
def remove_person(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Remove a person of the organization; what they own goes to whom the form names."""
    organization = enter(request, slug, need="organizations.open_people")
    leaver = selectors.person_in_reach(person(request), organization, pk)
    return _page(request, organization, leaver, done="organizations:people")


@login_required
@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    """Leave the organization oneself."""
    organization = enter(request, slug, need=None)
    return _page(request, organization, person(request), done="accounts:home")


def _page(
    request: HttpRequest, organization: Organization, leaver: User, *, done: str
) -> HttpResponse:
    owned = Notebook.objects.filter(organization=organization, owner=leaver).count()
    form = HeirForm(request.POST or None)
    form.fields["heir"].queryset = _heirs(organization, leaver)  # type: ignore[attr-defined]
    form.fields["heir"].required = owned > 0
    if request.method == "POST" and form.is_valid():
        departure = leaving.Departure(
            organization=organization, person=leaver, heir=form.cleaned_data["heir"]
        )
        count = leaving.leave(departure=departure, by=person(request))
        messages.success(request, _done(leaver, count))
        where = [] if done == "accounts:home" else [organization.slug]
        return redirect(done, *where)
    context = {
        "organization": organization,
        "leaver": leaver,
        "form": form,
        "owned": owned,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    return render(request, "notebooks/leaving.html", context, status=status)


def _heirs(organization: Organization, leaver: User) -> QuerySet[User]:
    held = Membership.objects.filter(organization=organization, role__in=leaving.HEIR_ROLES)
    heirs = User.objects.filter(pk__in=held.values("user"), is_active=True)
    return heirs.exclude(pk=leaver.pk).order_by("name", "email")


def _done(leaver: User, count: int) -> str:
    if not count:
        return _("%(person)s has left.") % {"person": leaver}
    message = ngettext(
        "%(person)s has left; one notebook has been handed over.",
        "%(person)s has left; %(count)s notebooks have been handed over.",
        count,
    )
    return message % {"person": leaver, "count": count}
