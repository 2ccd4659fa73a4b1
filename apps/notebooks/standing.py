"""What the people behind open sockets may still do: rights and sign-in, looked at together."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from apps.accounts.models import User
from apps.notebooks import selectors
from apps.notebooks.history import History, for_joiner
from apps.notebooks.messages import Hello
from apps.notebooks.models import Document, Notebook
from apps.notebooks.rights import levels_on
from apps.notebooks.selectors import Access
from apps.organizations.policy import Level
from apps.realtime.sockets import still_signed_in

Who = tuple[uuid.UUID, str | None]  # a person, and the session that the socket was opened with


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Levels on one notebook, NONE without rights; who is absent has no session any more."""

    levels: dict[Who, Level]
    in_trash: bool


def of(notebook_id: uuid.UUID, who: Collection[Who]) -> Standing:
    """Return what each of them may do now."""
    notebook = (
        Notebook.objects.select_related("workspace__division__parent")
        .filter(pk=notebook_id)
        .first()
    )
    people = {person for person, _session in who}
    levels = levels_on(notebook, people) if notebook else dict.fromkeys(people, Level.NONE)
    signed_in = {
        (person, session): levels[person]
        for person, session in who
        if still_signed_in(person, session)
    }
    return Standing(levels=signed_in, in_trash=bool(notebook and notebook.trashed_at))


def join(user: User, notebook_id: uuid.UUID, hello: Hello) -> tuple[Access, History]:
    """Return access and missing updates; NotVisible, Outdated or Diverged where that cannot be."""
    access = selectors.access_notebook(user, notebook_id)
    Document.objects.get_or_create(notebook=access.notebook)
    return access, for_joiner(notebook_id, hello)
