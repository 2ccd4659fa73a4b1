"""Make, name, copy, move, hand over and throw away notebooks.

Who may call is the gate's matter (`access_notebook`); here stands what the state of things forbids.
"""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.errors import DomainError
from apps.notebooks import authors, document, history, selectors
from apps.notebooks.models import (
    Cell,
    Document,
    DocUpdate,
    Image,
    Notebook,
    ShareGrant,
    Visit,
)
from apps.notebooks.services import erasure
from apps.organizations import audit
from apps.organizations.models import Membership, Organization, Workspace
from apps.organizations.policy import Level
from apps.organizations.services import forgetting
from apps.organizations.services.memberships import lock_organization
from apps.realtime import publish
from apps.realtime.access import AccessChanged
from apps.realtime.events import Event

TITLE_LIMIT = 200
SLUG_LIMIT = 80


class WorkspaceIsArchived(DomainError):
    """Nothing new is put into an archived workspace."""


class OtherOrganization(DomainError):
    """No content crosses the border of an organization."""


class NotebookInTrash(DomainError):
    """What is in the trash is restored before it changes."""


class NotebookNotInTrash(DomainError):
    """Only what is in the trash is deleted for good or restored."""


class NotAMember(DomainError):
    """The person does not belong to the notebook's organization."""


class NotYoursToHandOver(DomainError):
    """A share, however high, does not make its holder decide who owns the notebook."""


@dataclass(frozen=True, kw_only=True)
class NotebookRenamed(Event):
    """The title changed; open pages and lists show the new one."""

    type: ClassVar[str] = "notebook.renamed"
    notebook_id: str
    title: str


@dataclass(frozen=True, kw_only=True)
class NotebookMoved(Event):
    """The notebook lies in another workspace now."""

    type: ClassVar[str] = "notebook.moved"
    notebook_id: str
    workspace: str


@dataclass(frozen=True, kw_only=True)
class NotebookTrashed(Event):
    """The notebook went to the trash: open pages turn read-only and say by whom."""

    type: ClassVar[str] = "notebook.trashed"
    notebook_id: str
    by: str


@dataclass(frozen=True, kw_only=True)
class NotebookRestored(Event):
    """The notebook is back from the trash."""

    type: ClassVar[str] = "notebook.restored"
    notebook_id: str


@dataclass(frozen=True, kw_only=True)
class NotebookDeleted(Event):
    """The notebook is gone for good: open pages wipe their copy."""

    type: ClassVar[str] = "notebook.deleted"
    notebook_id: str


@transaction.atomic
def create_notebook(
    *,
    workspace: Workspace,
    by: User,
    title: str,
    content: bytes | None = None,
    audience: str = Notebook.Audience.WORKSPACE,
) -> Notebook:
    """Create a notebook that the person owns; `content` is its first update (a blank page without).

    The first content is written here and once, so that two browsers never both seed a document.
    """
    lock_organization(workspace.organization_id)
    workspace = _locked_workspace(workspace)
    _refuse_archived(workspace)
    refuse_stranger(by, workspace.organization)
    notebook = Notebook.objects.create(
        organization_id=workspace.organization_id,
        workspace=workspace,
        owner=by,
        title=title.strip(),
        slug=_free_slug(workspace, title),
        audience=audience,
        edited_by=by,
    )
    head = Document.objects.create(notebook=notebook, last_seq=1)
    DocUpdate.objects.create(
        document=head,
        seq=1,
        payload=content or document.encode(document.blank()),
        origin=DocUpdate.Origin.IMPORT,
        user=by,
    )
    _record(notebook, by, "notebook.created", workspace=str(workspace))
    return notebook


@transaction.atomic
def rename_notebook(*, notebook: Notebook, by: User, title: str) -> Notebook:
    """Change the title; its name in references (the slug) stays, but for one made of no title."""
    named_in = None if notebook.title else _locked_workspace(notebook.workspace)
    notebook = _locked(notebook)
    before, notebook.title = notebook.title, title.strip()
    if notebook.title == before:
        return notebook
    if not before and notebook.workspace == named_in and not _is_referred_to(notebook):
        notebook.slug = _free_slug(notebook.workspace, notebook.title)
    notebook.save(update_fields=["title", "slug"])
    _record(notebook, by, "notebook.renamed", before=before, after=notebook.title)
    renamed = NotebookRenamed(notebook_id=str(notebook.pk), title=notebook.title)
    publish.on_commit(_topic(notebook), renamed)
    return notebook


@transaction.atomic
def duplicate_notebook(*, notebook: Notebook, by: User, workspace: Workspace) -> Notebook:
    """Copy what the document shows, pictures included, into a notebook that the person owns.

    History is not copied: what was deleted in the original cannot be dug out of the copy.
    """
    # Organization, workspace, notebook: two who wait for each other would both fail.
    lock_organization(workspace.organization_id)
    workspace = _locked_workspace(workspace)
    notebook = _locked(notebook)
    _refuse_other_organization(notebook, workspace)
    copy = create_notebook(
        workspace=workspace,
        by=by,
        title=(_("Copy of %(title)s") % {"title": notebook})[:TITLE_LIMIT],
        audience=notebook.audience,
    )
    state = history.whole(notebook.document).updates[0]
    sources = copy_images(notebook, copy, document.image_sources(state))
    copy.document.updates.update(payload=document.copy(state, sources=sources))
    authors.copy(notebook.pk, copy.pk)
    _record(copy, by, "notebook.duplicated", original=str(notebook.pk))
    return copy


@transaction.atomic
def move_notebook(*, notebook: Notebook, by: User, workspace: Workspace) -> Notebook:
    """Put the notebook into another workspace of the organization; its shares go with it."""
    workspace = _locked_workspace(workspace)
    notebook = _locked(notebook)
    _refuse_other_organization(notebook, workspace)
    _refuse_archived(workspace)
    if notebook.workspace_id == workspace.pk:
        return notebook
    before = notebook.workspace
    notebook.workspace = workspace
    if workspace.notebooks.filter(slug=notebook.slug).exists():
        notebook.slug = _free_slug(workspace, notebook.slug)
    notebook.save(update_fields=["workspace", "slug"])
    _record(notebook, by, "notebook.moved", before=str(before), after=str(workspace))
    moved = NotebookMoved(notebook_id=str(notebook.pk), workspace=str(workspace))
    publish.on_commit(_topic(notebook), moved)
    publish.on_commit(_topic(notebook), AccessChanged())
    return notebook


@transaction.atomic
def trash_notebook(*, notebook: Notebook, by: User) -> Notebook:
    """Put the notebook into the trash: everybody keeps what they could read, nobody writes."""
    notebook = _locked(notebook)
    notebook.trashed_at, notebook.trashed_by = timezone.now(), by
    notebook.save(update_fields=["trashed_at", "trashed_by"])
    _record(notebook, by, "notebook.trashed")
    trashed = NotebookTrashed(notebook_id=str(notebook.pk), by=str(by))
    publish.on_commit(_topic(notebook), trashed)
    publish.on_commit(_topic(notebook), AccessChanged())
    return notebook


@transaction.atomic
def restore_notebook(*, notebook: Notebook, by: User) -> Notebook:
    """Take the notebook out of the trash."""
    notebook = _locked(notebook, trashed=True)
    notebook.trashed_at = notebook.trashed_by = None
    notebook.save(update_fields=["trashed_at", "trashed_by"])
    _record(notebook, by, "notebook.restored")
    publish.on_commit(_topic(notebook), NotebookRestored(notebook_id=str(notebook.pk)))
    publish.on_commit(_topic(notebook), AccessChanged())
    return notebook


@transaction.atomic
def delete_notebook(*, notebook: Notebook, by: User | None) -> erasure.Erased:
    """Delete the notebook, its document and its pictures for good; only from the trash.

    Nothing of its text is left anywhere (services/erasure.py); the log keeps its id.
    """
    notebook = _locked(notebook, trashed=True)
    topic, pk = _topic(notebook), str(notebook.pk)
    files = set(notebook.images.values_list("file", flat=True))
    erased = erasure.forget_everything(notebook)
    _record(notebook, by, "notebook.deleted", workspace=str(notebook.workspace), **asdict(erased))
    forgetting.forget_target(pk)
    notebook.delete()
    transaction.on_commit(partial(erasure.delete_files, files), robust=True)
    publish.on_commit(topic, NotebookDeleted(notebook_id=pk))
    publish.on_commit(topic, AccessChanged())
    return erased


@transaction.atomic
def transfer_ownership(*, notebook: Notebook, by: User, to: User) -> Notebook:
    """Make another member the owner; the former one keeps an editor's rights until withdrawn."""
    lock_organization(notebook.organization_id)  # the new owner must not leave meanwhile
    notebook = _locked(notebook)
    if not selectors.may_hand_over(by, notebook):
        message = _("Only the owner, or who manages “%(workspace)s”, hands “%(title)s” over.")
        raise NotYoursToHandOver(message % {"workspace": notebook.workspace, "title": notebook})
    refuse_stranger(to, notebook.organization)
    former = notebook.owner
    if former == to:
        return notebook
    notebook.owner = to
    notebook.save(update_fields=["owner"])
    ShareGrant.objects.filter(notebook=notebook, user__in=[to, former]).delete()
    ShareGrant.objects.create(notebook=notebook, user=former, level=Level.RUN, created_by=by)
    _record(notebook, by, "notebook.handed_over", before=str(former), after=str(to))
    publish.on_commit(_topic(notebook), AccessChanged())
    return notebook


def refuse_stranger(person: User, organization: Organization) -> None:
    """Raise NotAMember unless the person belongs to the organization (whose lock the caller holds)."""
    if not Membership.objects.filter(user=person, organization=organization).exists():
        message = _("Wanted a member of %(organization)s, got %(person)s.")
        raise NotAMember(message % {"organization": organization, "person": person})


def refuse_trash(notebook: Notebook) -> None:
    """Raise NotebookInTrash for a notebook that lies there."""
    if notebook.trashed_at:
        message = _("“%(title)s” is in the trash. Restore it first.")
        raise NotebookInTrash(message % {"title": notebook})


def record_visit(*, notebook: Notebook, user: User) -> None:
    """Note that the person opened the notebook: the list's "recently opened"."""
    Visit.objects.update_or_create(
        notebook=notebook, user=user, defaults={"opened_at": timezone.now()}
    )


def _locked_workspace(workspace: Workspace) -> Workspace:
    """Return the workspace under lock: slugs are given one after the other."""
    return Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)


def _locked(notebook: Notebook, *, trashed: bool = False) -> Notebook:
    """Return the row under lock, as it stands now, refusing the wrong side of the trash."""
    everywhere = Notebook.objects.select_related("organization", "workspace")
    found = everywhere.select_for_update(of=("self",)).get(pk=notebook.pk)
    if not trashed:
        refuse_trash(found)
    if trashed and not found.trashed_at:
        raise NotebookNotInTrash(_("“%(title)s” is not in the trash.") % {"title": found})
    return found


def _free_slug(workspace: Workspace, title: str) -> str:
    """Return a slug that no notebook of the (locked) workspace has."""
    base = slugify(title)[: SLUG_LIMIT - 8].strip("-") or "notebook"
    taken = set(workspace.notebooks.filter(slug__startswith=base).values_list("slug", flat=True))
    slug, number = base, 1
    while slug in taken:
        number += 1
        slug = f"{base}-{number}"
    return slug


def _is_referred_to(notebook: Notebook) -> bool:
    """Say whether some cell of the organization names the notebook between braces."""
    written = Cell.objects.annotate(words=Cast("spec", TextField())).filter(
        notebook__organization=notebook.organization_id, words__contains=f"{{{{{notebook.slug}/"
    )
    return written.exists()


def _refuse_archived(workspace: Workspace) -> None:
    if workspace.archived_at:
        message = _("“%(workspace)s” is archived. Choose another workspace.")
        raise WorkspaceIsArchived(message % {"workspace": workspace})


def _refuse_other_organization(notebook: Notebook, workspace: Workspace) -> None:
    if workspace.organization_id != notebook.organization_id:
        raise OtherOrganization(_("A notebook stays within its organization."))


def copy_images(notebook: Notebook, copy: Notebook, used: set[str]) -> dict[str, str]:
    """Give the copy rows of its own for the pictures in use; return old address to new.

    The rows share one file, which is never changed and goes with the last of them.
    """
    sources = {}
    for image in notebook.images.all():
        before = image.get_absolute_url()
        if before not in used:
            continue
        image.pk = Image._meta.pk.get_default()
        image.notebook = copy
        image.save(force_insert=True)
        sources[before] = image.get_absolute_url()
    return sources


def _topic(notebook: Notebook) -> str:
    return f"notebook.{notebook.pk}"


def _record(notebook: Notebook, by: User | None, verb: str, **data: Any) -> None:  # JSON
    audit.record(
        verb=verb, actor=by, organization=notebook.organization, target=notebook, data=data
    )
