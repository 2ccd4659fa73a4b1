"""Pages about what models wrote and what people made of it, and the files to train on."""

import uuid
from collections.abc import AsyncIterator
from typing import IO

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.core.errors import NotVisible
from apps.inference.models import Output
from apps.learning import listing, selectors, showing
from apps.learning.export import READ_BYTES
from apps.learning.forms import LearningFilterForm
from apps.learning.listing import Wanted
from apps.learning.models import Package
from apps.learning.services import downloads
from apps.learning.sight import Sight, sight_of
from apps.organizations.views.entrance import enter, person

OPEN = "organizations.open_learning"
DOWNLOAD = "organizations.download_learning"


@login_required
@require_GET
def outputs(request: HttpRequest, slug: str) -> HttpResponse:
    """List outputs, the newest first, with what became of them."""
    sight = _enter(request, slug, OPEN)
    form = LearningFilterForm(request.GET, sight=sight)
    before = request.GET.get("before", "")
    page = listing.page_of(sight, form.wanted, before)
    context = {
        "organization": sight.organization,
        "sight": sight,
        "form": form,
        "wanted": form.wanted,
        "asked": form.wanted.as_json(),
        "rows": showing.shown(page.outputs),
        "next_before": page.next_before,
        "may_download": request.user.has_perm(DOWNLOAD, sight.organization),
    }
    htmx = request.htmx  # type: ignore[attr-defined]
    if htmx and htmx.target == "more":
        return render(request, "learning/list.html#rows", context)
    context["summary"] = listing.summary_of(sight, form.wanted)
    return render(request, f"learning/list.html{'#results' if htmx else ''}", context)


@login_required
@require_GET
def output(request: HttpRequest, slug: str, output: uuid.UUID) -> HttpResponse:
    """Show one output: how it was edited, what it was asked, and where it comes from."""
    sight = _enter(request, slug, OPEN)
    [shown] = showing.shown([_output_in(sight, output)], in_full=True)
    crumbs = [
        (sight.organization.name, reverse("notebooks:list", args=[slug])),
        (_("Learning"), reverse("learning:list", args=[slug])),
        (shown.cell, ""),
    ]
    asked = showing.prompt_of(shown.output, sight)
    context = {
        "organization": sight.organization,
        "shown": shown,
        "asked": asked,
        "sources": showing.sources_of(asked),
        "crumbs": crumbs,
    }
    return render(request, "learning/output.html", context)


@login_required
@require_POST
def download(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Send what fits the filter and may be learned from; have a worker pack what is too much for that."""
    sight = _enter(request, slug, DOWNLOAD)
    wanted = LearningFilterForm(request.POST, sight=sight).wanted
    if downloads.is_large(sight=sight, wanted=wanted):
        downloads.request_package(
            organization=sight.organization, by=person(request), wanted=wanted
        )
        return redirect("learning:packages", slug)
    packed = downloads.download(sight=sight, by=person(request), wanted=wanted)
    return StreamingHttpResponse(
        _pieces(packed.file),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{slug}-learning.zip"',
            "Content-Length": str(packed.size_bytes),
            "ETag": f'"{packed.sha256}"',
        },
    )


@login_required
@require_GET
def packages(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what is being packed and what can be fetched; htmx asks for the list alone, meanwhile."""
    organization = _enter(request, slug, DOWNLOAD).organization
    shown = list(
        Package.objects.open().filter(organization=organization).select_related("requested_by")
    )
    context = {
        "organization": organization,
        "packages": shown,
        "is_busy": any(one.status == Package.Status.WAITING for one in shown),
    }
    fragment = "#packages" if request.htmx else ""  # type: ignore[attr-defined]
    return render(request, f"learning/packages.html{fragment}", context)


@login_required
@require_GET
def package(request: HttpRequest, slug: str, package: uuid.UUID) -> FileResponse:
    """Send a file that was packed."""
    organization = _enter(request, slug, DOWNLOAD).organization
    found = selectors.package_of(organization, package)
    downloads.note_fetch(package=found, by=person(request))
    stored = default_storage.open(str(found.file.name), "rb")
    return FileResponse(stored, as_attachment=True, filename=f"{slug}-learning.zip")


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while piece := await sync_to_async(file.read)(READ_BYTES):
            yield piece
    finally:
        file.close()


def _enter(request: HttpRequest, slug: str, need: str) -> Sight:
    return sight_of(person(request), enter(request, slug, need=need))


def _output_in(sight: Sight, pk: uuid.UUID) -> Output:
    """Return the output with what became of it; NotVisible unless it lies in sight."""
    everything = Wanted()
    found = listing.outputs_of(sight, everything).filter(pk=pk)
    loaded = listing.with_what_became(found, listing.records_of(sight, everything)).first()
    if loaded is None:
        raise NotVisible
    return loaded
