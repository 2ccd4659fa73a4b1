"""Keep a browser's copy that cannot be merged: as a notebook of its own, never over the original."""

from http import HTTPStatus
from typing import ClassVar

from django.db import transaction
from django.utils import formats, timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.core.limits import Limit
from apps.notebooks import authors, crdt, document, history, redaction
from apps.notebooks.models import Document, Notebook
from apps.notebooks.services.notebooks import TITLE_LIMIT, copy_images, create_notebook
from apps.organizations import audit

FORKS = Limit(name="forks", times=20, within_s=3600)


class UnreadableCopy(DomainError):
    """The bytes are no document."""

    status: ClassVar[HTTPStatus] = HTTPStatus.UNPROCESSABLE_ENTITY


def fork_notebook(*, notebook: Notebook, by: User, content: bytes) -> Notebook:
    """Return a private notebook of the person's, in the same workspace, with this content.

    Pictures come along as its own: the original may be closed to the person, or deleted, one day.
    """
    FORKS.spend(by.pk)
    try:
        state = crdt.squash(crdt.shallow(_without_erased(crdt.clean(content), notebook)))
    except crdt.BadUpdate as error:
        raise UnreadableCopy(_("This copy could not be read, so nothing was saved.")) from error
    return _kept(state, notebook=notebook, by=by)


def _without_erased(content: bytes, notebook: Notebook) -> bytes:
    """Return the copy less what was erased since, where that is why it may not be merged."""
    head = Document.objects.get(pk=notebook.pk)
    if head.redacted_at is None:
        return content
    return redaction.caught_up(content, state=history.whole(head).updates[0])


@transaction.atomic
def _kept(state: bytes, *, notebook: Notebook, by: User) -> Notebook:
    today = formats.date_format(timezone.localdate(), "SHORT_DATE_FORMAT")
    ending = _(" (your copy, %(date)s)") % {"date": today}
    fork = create_notebook(
        workspace=notebook.workspace,
        by=by,
        title=notebook.title[: TITLE_LIMIT - len(ending)] + ending,
        content=state,
        audience=Notebook.Audience.PRIVATE,
    )
    authors.copy(notebook.pk, fork.pk)
    sources = copy_images(notebook, fork, document.image_sources(state))
    if sources:
        fork.document.updates.update(payload=document.redirect(state, sources=sources))
    audit.record(
        verb="notebook.forked",
        actor=by,
        organization=notebook.organization,
        target=fork,
        data={"original": str(notebook.pk)},
    )
    return fork
