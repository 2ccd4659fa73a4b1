"""The switches of writing with models; their forms stand on pages of organizations and accounts."""

import uuid

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from apps.notebooks.services import ai_switch
from apps.organizations import selectors
from apps.organizations.views.entrance import enter, person


class SwitchForm(forms.Form):
    """Where the switch is to stand: on, or (nothing) off."""

    on = forms.BooleanField(required=False)


@login_required
@require_POST
def organization(request: HttpRequest, slug: str) -> HttpResponse:
    """Switch for the whole organization."""
    place = enter(request, slug, need="organizations.change_organization")
    on = _wanted(request)
    ai_switch.switch_organization(organization=place, on=on, by=person(request))
    _say(request, on=on, where=place.name)
    return redirect("organizations:settings", place.slug)


@login_required
@require_POST
def workspace(request: HttpRequest, slug: str, pk: uuid.UUID) -> HttpResponse:
    """Switch for one workspace."""
    here = enter(request, slug, need="organizations.open_structure")
    place = selectors.workspace_for(
        person(request), pk, within=here, need="organizations.manage_workspaces"
    )
    on = _wanted(request)
    ai_switch.switch_workspace(workspace=place, on=on, by=person(request))
    _say(request, on=on, where=place.name)
    return redirect("organizations:structure", here.slug)


@login_required
@require_POST
def oneself(request: HttpRequest) -> HttpResponse:
    """Switch for oneself."""
    on = _wanted(request)
    ai_switch.switch_self(user=person(request), on=on)
    _say(request, on=on, where=_("your pages"))
    return redirect("accounts:profile")


def _wanted(request: HttpRequest) -> bool:
    form = SwitchForm(request.POST)
    form.is_valid()  # a switch has no wrong value
    return bool(form.cleaned_data["on"])


def _say(request: HttpRequest, *, on: bool, where: str) -> None:
    words = (
        _("Writing with models is on in %(where)s.")
        if on
        else _("Writing with models is off in %(where)s.")
    )
    messages.success(request, words % {"where": where})
