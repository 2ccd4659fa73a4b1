"""The HTTP road of the updates, for networks that let no WebSocket through, and copies of one's own.

Every answer is JSON with a header of ours, by which the browser tells it from what a proxy says. The
words are those of the socket: changes, ack, refused, gone, diverged, reload, signedout.
"""

import base64
import uuid
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.core.errors import DomainError, NotVisible
from apps.notebooks import history, standing
from apps.notebooks.messages import Hello, Malformed, parse_query
from apps.notebooks.models import SCHEMA_VERSION
from apps.notebooks.selectors import access_notebook
from apps.notebooks.services import forks, updates
from apps.organizations.views.entrance import person

View = Callable[..., JsonResponse]


def _answer(kind: str, status: HTTPStatus = HTTPStatus.OK, **fields: Any) -> JsonResponse:
    headers = {"X-Notebook-Sync": "1"}
    return JsonResponse({"type": kind, **fields}, status=status, headers=headers)


def _refusal(error: DomainError) -> JsonResponse:
    match error:
        case NotVisible():
            return _answer("gone", HTTPStatus.NOT_FOUND)
        case history.Diverged():
            return _answer("diverged", HTTPStatus.CONFLICT)
        case history.Outdated():
            return _answer("reload", HTTPStatus.CONFLICT, schema=SCHEMA_VERSION)
    return _answer("refused", error.status, reason=str(error))


def _in_words_of_the_socket(view: View) -> View:
    """Answer refusals as the socket does; a sign-in page would be of no use to a script."""

    @wraps(view)
    def answering(request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        if not request.user.is_authenticated:
            return _answer("signedout", HTTPStatus.UNAUTHORIZED)
        try:
            return view(request, *args, **kwargs)
        except Malformed as error:
            return _answer("malformed", HTTPStatus.BAD_REQUEST, reason=str(error))
        except DomainError as error:
            return _refusal(error)

    return answering


@never_cache
@require_http_methods(["GET", "POST"])
@_in_words_of_the_socket
def notebook_updates(request: HttpRequest, notebook: uuid.UUID) -> JsonResponse:
    """Answer with what came after `since`, or append the body as one update."""
    hello = parse_query(request.GET)
    if request.method == "POST":
        return _append(request, notebook, hello)
    access, later = standing.join(person(request), notebook, hello)
    return _answer(
        "changes",
        epoch=str(later.epoch),
        schema=SCHEMA_VERSION,
        seq=later.seq,
        level=int(access.level),
        trashed=access.notebook.trashed_at is not None,
        updates=[base64.b64encode(update).decode() for update in later.updates],
    )


def _append(request: HttpRequest, notebook: uuid.UUID, hello: Hello) -> JsonResponse:
    user = person(request)
    access_notebook(user, notebook)
    history.refuse_strangers(notebook, hello)
    resent = request.GET.get("resent") == "1"
    incoming = updates.Incoming(user_id=user.pk, payload=request.body, resent=resent)
    batch = updates.append(notebook_id=notebook, incoming=[incoming], epoch=hello.epoch)
    if batch.fills_a_snapshot:
        updates.request_compaction(notebook)
    refusal = batch.outcomes[0].refusal
    if refusal is not None:
        return _answer("refused", HTTPStatus.UNPROCESSABLE_ENTITY, reason=refusal.value)
    first = batch.first if batch.payloads else None
    return _answer("ack", first=first, last=batch.last)


@never_cache
@require_POST
@_in_words_of_the_socket
def fork(request: HttpRequest, notebook: uuid.UUID) -> JsonResponse:
    """Make a notebook of the person's own out of the browser's copy in the body."""
    access = access_notebook(person(request), notebook)
    copy = forks.fork_notebook(notebook=access.notebook, by=person(request), content=request.body)
    url = reverse("notebooks:notebook", args=[copy.pk])
    return _answer("forked", HTTPStatus.CREATED, url=url)
