"""One's own devices; the list is allauth's, ending a single one is ours."""

from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.core.errors import NotVisible
from apps.organizations.views.entrance import person


@login_required
@require_POST
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """Sign one other device out; the device at hand signs out by its own button."""
    others = UserSession.objects.filter(user=person(request)).exclude(
        session_key=request.session.session_key
    )
    session = others.filter(pk=pk).first()
    if session is None:
        raise NotVisible
    get_adapter().end_sessions([session])
    messages.success(request, _("The device is signed out."))
    return redirect("usersessions_list")
