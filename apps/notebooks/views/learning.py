"""Verdicts on results, downloads, and the two switches of what is learned from."""

import uuid

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.learning import selectors
from apps.learning.models import Feedback
from apps.learning.services import consent, feedback
from apps.notebooks import ai, verdicts
from apps.notebooks.selectors import access_notebook
from apps.notebooks.services import adoption, settling
from apps.notebooks.views.entrance import enter_notebook
from apps.organizations.policy import Level
from apps.organizations.views.entrance import person


class ThumbForm(forms.Form):
    """A verdict, and what is wrong; without a verdict the one before is taken back."""

    kind = forms.ChoiceField(choices=Feedback.Kind.choices, required=False)
    reasons = forms.MultipleChoiceField(choices=Feedback.Reason.choices, required=False)


class LearnForm(forms.Form):
    """Where the switch is to stand: learn, or (nothing) do not."""

    learn = forms.BooleanField(required=False)


@login_required
@require_POST
def thumb(request: HttpRequest, notebook: uuid.UUID, output: uuid.UUID) -> HttpResponse:
    """Keep what the person thinks of an output, or forget it."""
    by = person(request)
    access = access_notebook(by, notebook)
    ai.require(by, access.notebook)
    judged = verdicts.output_of(adoption.output_of(access.notebook, output))
    form = ThumbForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"error": _("That is no verdict")}, status=422)
    kind, reasons = form.cleaned_data["kind"], form.cleaned_data["reasons"]
    if not kind:
        feedback.withdraw_thumb(output=judged, by=by, about=access.notebook)
        return JsonResponse({"kind": "", "reasons": []})
    kept = feedback.give_thumb(
        output=judged, by=by, kind=kind, reasons=reasons, about=access.notebook
    )
    return JsonResponse({"kind": kept.kind, "reasons": kept.reasons})


@login_required
@require_POST
def downloaded(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Note that the person took the text along."""
    access = access_notebook(person(request), notebook)
    settling.note_download(access=access, by=person(request))
    return HttpResponse(status=204)


@login_required
@require_POST
def notebook(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Let the notebook be learned from, or not; answer with the switch as it stands now."""
    access = enter_notebook(request, notebook, need=Level.MANAGE)
    book, learn = access.notebook, _wanted(request)
    consent.switch_notebook(
        notebook_id=book.pk,
        organization=book.organization,
        by=person(request),
        learn=learn,
        about=book,
    )
    if not request.headers.get("HX-Request"):
        return redirect("notebooks:notebook", book.pk)
    context = {"access": access, "notebook": book, "learns": learn}
    return render(request, "notebooks/_learning_switch.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def oneself(request: HttpRequest) -> HttpResponse:
    """Let what the person writes be learned from, or not."""
    user = person(request)
    if request.method == "POST":
        learn = _wanted(request)
        consent.switch_person(user=user, learn=learn)
        words = _("What you write may be learned from.")
        messages.success(request, words if learn else _("Nothing is learned from what you write."))
        return redirect("notebooks:learning_self")
    context = {"learns": selectors.may_learn_from_person(user)}
    return render(request, "notebooks/learning_self.html", context)


def _wanted(request: HttpRequest) -> bool:
    form = LearnForm(request.POST)
    form.is_valid()  # a switch has no wrong value
    return bool(form.cleaned_data["learn"])
