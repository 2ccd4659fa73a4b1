"""The chain of a notebook over HTTP: how it stands, Update, Stop, and what becomes of the results."""

import uuid
from dataclasses import asdict

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.notebooks import ai, chain_page, outside, sources, verdicts
from apps.notebooks.chain.drawing import NODE_HEIGHT, NODE_WIDTH, draw
from apps.notebooks.chain.graph import BrokenReference
from apps.notebooks.chain.references import CellKey, Reference
from apps.notebooks.forms import ChainForm, searched
from apps.notebooks.selectors import Access, access_notebook
from apps.notebooks.services import adoption, chain
from apps.notebooks.views.chain_words import state_words
from apps.organizations.policy import Level
from apps.organizations.views.entrance import person


@login_required
@require_GET
@never_cache
def state(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Answer how every cell stands for the person, what Update would do, and what is being written."""
    access = access_notebook(person(request), notebook)
    shown = chain_page.state_for(access, person(request))
    if shown["ai"]:
        verdicts.add_to(shown["cells"], user=person(request), notebook=access.notebook)
    return JsonResponse(shown)


@login_required
@require_POST
def run(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Write what is out of date, or the given cells."""
    access = _entered(request, notebook, need=Level.RUN)
    form = ChainForm(request.POST)
    if not form.is_valid():
        return _refused(form)
    begun = chain.start_update(
        access=access,
        by=person(request),
        cells=form.cleaned_data["cells"],
        idempotency_key=form.cleaned_data["key"],
    )
    return JsonResponse({"run": str(begun.pk), "status": begun.status})


@login_required
@require_POST
def stop(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Stop all that is being written in the notebook, whoever began it."""
    access = _entered(request, notebook, need=Level.RUN)
    return JsonResponse({"stopped": chain.stop(access=access, by=person(request))})


@login_required
@require_POST
def adopt(request: HttpRequest, notebook: uuid.UUID, output: uuid.UUID) -> HttpResponse:
    """Put a waiting output in place of the result."""
    access = _entered(request, notebook, need=Level.EDIT)
    adoption.adopt(access=access, by=person(request), output=output)
    return JsonResponse({"adopted": str(output)})


@login_required
@require_POST
def dismiss(request: HttpRequest, notebook: uuid.UUID, output: uuid.UUID) -> HttpResponse:
    """Put a waiting output away."""
    access = _entered(request, notebook, need=Level.EDIT)
    chain.dismiss(access=access, by=person(request), output=output)
    return JsonResponse({"dismissed": str(output)})


@login_required
@require_POST
def back(request: HttpRequest, notebook: uuid.UUID, cell: uuid.UUID) -> HttpResponse:
    """Go back to what stood before the last adoption."""
    access = _entered(request, notebook, need=Level.EDIT)
    adoption.back(access=access, by=person(request), cell=cell)
    return JsonResponse({"back": str(cell)})


@login_required
@require_POST
def release(request: HttpRequest, notebook: uuid.UUID, cell: uuid.UUID) -> HttpResponse:
    """Offer the cell's text to other divisions."""
    access = _entered(request, notebook, need=Level.EDIT)
    made = chain.release(access=access, by=person(request), cell=cell)
    return JsonResponse({"release": made.number})


@login_required
@require_GET
@never_cache
def pick(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Answer the cells that a reference may lead to."""
    access = _entered(request, notebook, need=Level.EDIT)
    found = sources.choices_for(person(request), access.notebook, searched(request.GET, "q"))
    return JsonResponse({"cells": [asdict(choice) for choice in found]})


@login_required
@require_GET
@never_cache
def source(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Answer what a chip stands for, as far as the person may see it."""
    access = _entered(request, notebook, need=Level.VIEW)
    reference = _reference(request, notebook)
    found = outside.look_up(person(request), access.notebook, reference)
    if found.problem is None:
        return JsonResponse({"label": found.label, "text": found.text})
    broken = BrokenReference(cell=reference.target, label=found.label or "?", problem=found.problem)
    words = chain_page.words_for(broken)
    return JsonResponse({"label": found.label, "problem": found.problem, "words": words})


@login_required
@require_GET
@never_cache
def graph(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Draw the chain; a cell of the picture leads to the cell in the page."""
    access = _entered(request, notebook, need=Level.VIEW)
    shown = chain.chain_for(person(request), access.notebook)
    states = chain_page.drawn_states(shown)
    picture = draw(shown.graph)
    context = {
        "notebook": access.notebook,
        "picture": picture,
        "boxes": [
            (cell, states[cell.key], state_words(cell.kind, states[cell.key]))
            for cell in picture.cells
        ],
        "node": {"width": NODE_WIDTH, "height": NODE_HEIGHT},
    }
    return render(request, "notebooks/graph.html", context)


def _entered(request: HttpRequest, notebook: uuid.UUID, *, need: Level) -> Access:
    """Return the notebook for somebody who may, where models may write at all."""
    access = access_notebook(person(request), notebook, need=need)
    ai.require(person(request), access.notebook)
    return access


def _reference(request: HttpRequest, notebook: uuid.UUID) -> Reference:
    try:
        there = uuid.UUID(request.GET.get("notebook") or str(notebook))
        cell = uuid.UUID(request.GET.get("cell", ""))
    except ValueError as error:
        raise Http404 from error
    mode = request.GET.get("mode")
    target = CellKey(notebook=there, cell=cell)
    return Reference(target=target, mode="released" if mode == "released" else "live")


def _refused(form: ChainForm) -> HttpResponse:
    words = " ".join(str(word) for errors in form.errors.values() for word in errors)
    return JsonResponse({"error": words}, status=422)
