"""People of an organization: who has which role where, and who is invited."""

from http import HTTPStatus
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.organizations import forms, selectors
from apps.organizations.models import Organization
from apps.organizations.people import open_invitations, people_page
from apps.organizations.reach import Reach, reach_of
from apps.organizations.services import invitations, memberships
from apps.organizations.views.entrance import enter, person, words_of

NEED = "organizations.open_people"


@login_required
@require_GET
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the people within the viewer's reach, filtered."""
    organization = enter(request, slug, need=NEED)
    reach = reach_of(person(request), organization)
    return _page(request, reach)


@login_required
@require_POST
def invite(request: HttpRequest, slug: str) -> HttpResponse:
    """Make an invitation and show its link, this once."""
    organization = enter(request, slug, need=NEED)
    reach = reach_of(person(request), organization)
    form = forms.InvitationForm(request.POST, reach=reach)
    if not form.is_valid():
        return _page(request, reach, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    invited = invitations.invite(
        given=form.given,
        email=form.cleaned_data["email"],
        by=person(request),
        days=form.cleaned_data["days"],
    )
    return _page(request, reach, invited=invited, status=HTTPStatus.CREATED)


@login_required
@require_POST
def withdraw_invitation(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Close a link that nobody has used yet."""
    organization = enter(request, slug, need=NEED)
    invitation = selectors.invitation_in_reach(person(request), organization, pk)
    invitations.withdraw_invitation(invitation=invitation, by=person(request))
    messages.success(request, _("The invitation is withdrawn; its link no longer works."))
    return _back(organization)


@login_required
@require_POST
def add_role(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Give a person of the organization a role in one more place."""
    organization = enter(request, slug, need=NEED)
    reach = reach_of(person(request), organization)
    user = selectors.person_in_reach(person(request), organization, pk)
    form = forms.PlacedRoleForm(request.POST, reach=reach)
    if not form.is_valid():
        messages.error(request, words_of(form))
        return _back(organization)
    memberships.add_membership(user=user, given=form.given, by=person(request))
    messages.success(request, _("%(person)s has one more role.") % {"person": user})
    return _back(organization)


@login_required
@require_POST
def change_role(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Give a person another role in the same place."""
    organization = enter(request, slug, need=NEED)
    membership = selectors.membership_in_reach(person(request), organization, pk)
    form = forms.RoleForm(request.POST)
    if form.is_valid():
        role = form.cleaned_data["role"]
        membership = memberships.change_role(membership=membership, role=role, by=person(request))
        words = {"person": membership.user, "role": membership.get_role_display()}
        messages.success(request, _("%(person)s is now %(role)s.") % words)
    return _back(organization)


@login_required
@require_POST
def end_role(request: HttpRequest, slug: str, pk: UUID) -> HttpResponse:
    """Take one of several roles of a person."""
    organization = enter(request, slug, need=NEED)
    membership = selectors.membership_in_reach(person(request), organization, pk)
    memberships.end_membership(membership=membership, by=person(request))
    words = {"person": membership.user, "place": membership.scope}
    messages.success(request, _("%(person)s has no role in “%(place)s” any more.") % words)
    return _back(organization)


def _back(organization: Organization) -> HttpResponse:
    return redirect("organizations:people", organization.slug)


def _page(
    request: HttpRequest,
    reach: Reach,
    *,
    form: forms.InvitationForm | None = None,
    invited: invitations.Invited | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    filters = forms.PeopleFilterForm(request.GET, reach=reach)
    shown = people_page(reach=reach, wanted=filters.wanted, number=request.GET.get("page"))
    context = {
        "organization": reach.organization,
        "reach": reach,
        "filters": filters,
        "people": shown,
        "invitations": list(open_invitations(reach)),
        "form": form or forms.InvitationForm(reach=reach),
        "add_role_form": forms.PlacedRoleForm(reach=reach, auto_id=False),
        "invited": invited,
    }
    fragment = "#list" if getattr(request, "htmx", False) else ""
    return render(request, f"organizations/people.html{fragment}", context, status=status)
