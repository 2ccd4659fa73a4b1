"""Pictures of a notebook: in through the editor's gate, out through the reader's."""

import uuid
from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_GET, require_POST

from apps.core.errors import NotVisible
from apps.notebooks import forms
from apps.notebooks.models import Image
from apps.notebooks.services import images as services
from apps.notebooks.views.entrance import enter_notebook, enter_to_write
from apps.organizations.views.entrance import person

# What a picture may do when somebody opens its address as a page: nothing.
POLICY = "default-src 'none'; style-src 'none'; sandbox"


@login_required
@require_POST
def upload(request: HttpRequest, notebook: uuid.UUID) -> HttpResponse:
    """Take a picture in and say where it is."""
    access = enter_to_write(request, notebook)
    form = forms.ImageForm(request.POST, request.FILES)
    if not form.is_valid():
        reason = str(form.errors["file"][0])
        return JsonResponse({"error": reason}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        image = services.add_image(
            notebook=access.notebook, by=person(request), upload=form.cleaned_data["file"]
        )
    except services.ImageRefused as refusal:
        return JsonResponse({"error": str(refusal)}, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    size = {"width": image.width, "height": image.height}
    answer = {"id": str(image.pk), "url": image.get_absolute_url(), **size}
    return JsonResponse(answer, status=HTTPStatus.CREATED)


@login_required
@require_GET
def image(request: HttpRequest, notebook: uuid.UUID, image: uuid.UUID) -> HttpResponse:
    """Serve a picture to who may open its notebook; a browser asks again before showing its copy."""
    access = enter_notebook(request, notebook)
    found = access.notebook.images.filter(pk=image).first()
    if found is None:
        raise NotVisible
    etag = f'"{found.sha256}"'
    try:
        return get_conditional_response(request, etag=etag) or _served(found, etag)
    except FileNotFoundError as gone:  # the row outlived its file: a restored backup, a lost disk
        raise NotVisible from gone


def _served(found: Image, etag: str) -> HttpResponse:
    with found.file.open("rb") as file:
        response = HttpResponse(file.read(), content_type=found.mime)
    ending = str(found.file.name).rpartition(".")[2]
    response["Content-Disposition"] = f'inline; filename="picture.{ending}"'
    response["Content-Security-Policy"] = POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-cache"
    response["ETag"] = etag
    return response
