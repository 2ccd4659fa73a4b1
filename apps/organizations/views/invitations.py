"""The page behind an invitation's link."""

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.accounts.services import verified_addresses
from apps.organizations import selectors
from apps.organizations.models import Invitation
from apps.organizations.services import invitations
from apps.organizations.views.entrance import INVITATION_KEY, person


@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Say who invites where as what; a POST of a signed-in person accepts."""
    found = selectors.invitation_for(token)
    if request.method == "POST":
        return _accept(request, found)
    if found.is_open:
        request.session[INVITATION_KEY] = token
    context = {
        "invitation": found,
        "token": token,
        "for_another": request.user.is_authenticated
        and bool(found.email)
        and found.email not in verified_addresses(person(request)),
    }
    status = HTTPStatus.OK if found.is_open else HTTPStatus.GONE
    return render(request, "organizations/invitation.html", context, status=status)


@login_required
def _accept(request: HttpRequest, found: Invitation) -> HttpResponse:
    membership = invitations.accept_invitation(invitation=found, user=person(request))
    request.session.pop(INVITATION_KEY, None)
    request.session["organization"] = str(membership.organization_id)
    words = {"place": membership.scope}
    messages.success(request, _("Welcome! You now belong to “%(place)s”.") % words)
    return redirect("accounts:home")
