"""What one does to a notebook as a whole: services and their pages."""

from collections.abc import Callable
from io import BytesIO

import PIL.Image
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.notebooks import document, history, selectors
from apps.notebooks.models import DocUpdate, Image, Notebook, ShareGrant, Visit
from apps.notebooks.services import notebooks as services
from apps.notebooks.services.images import add_image
from apps.notebooks.services.sharing import share_with_person
from apps.organizations.models import AuditEvent, Role
from apps.organizations.policy import Level
from apps.realtime.events import Event
from tests import factories
from tests.factories import Company

SignedIn = Callable[[User], Client]
Published = list[tuple[str, Event]]


def _types(published: Published, topic: str) -> list[str]:
    return [event.type for where, event in published if where == topic]


def _verbs(notebook: Notebook) -> list[str]:
    events = AuditEvent.objects.filter(target_id=str(notebook.pk)).order_by("at", "id")
    return list(events.values_list("verb", flat=True))


def _picture(color: str = "red") -> SimpleUploadedFile:
    out = BytesIO()
    PIL.Image.new("RGB", (3, 2), color).save(out, "PNG")
    return SimpleUploadedFile("cup.png", out.getvalue())


def _text_of(notebook: Notebook) -> str:
    return document.plain_text(document.decode(history.whole(notebook.document).updates[0]))


def test_a_new_notebook_starts_with_one_update_by_its_owner(company: Company) -> None:
    editor = factories.member(company.launches)
    notebook = services.create_notebook(workspace=company.launches, by=editor, title="  Plan ")
    update = DocUpdate.objects.get(document__notebook=notebook)
    assert (notebook.title, notebook.slug, notebook.owner) == ("Plan", "plan", editor)
    assert (update.seq, update.origin, update.user) == (1, DocUpdate.Origin.IMPORT, editor)
    assert document.decode(update.payload) == document.blank()
    assert notebook.document.last_seq == 1
    assert _verbs(notebook) == ["notebook.created"]


def test_slugs_stay_apart_in_a_workspace(company: Company) -> None:
    editor = factories.member(company.launches)
    slugs = [
        services.create_notebook(workspace=company.launches, by=editor, title=title).slug
        for title in ["Plan", "Plan", "plan!", "", "日本", "x" * 200]
    ]
    assert slugs == ["plan", "plan-2", "plan-3", "notebook", "notebook-2", "x" * 72]
    elsewhere = services.create_notebook(workspace=company.shops, by=editor, title="Plan")
    assert elsewhere.slug == "plan"


def test_an_archived_workspace_takes_nothing_new(company: Company) -> None:
    editor = factories.member(company.brand)
    notebook = factories.notebook(company.launches, by=editor)
    company.newsroom.archived_at = timezone.now()
    company.newsroom.save()
    with pytest.raises(services.WorkspaceIsArchived, match="Newsroom"):
        services.create_notebook(workspace=company.newsroom, by=editor, title="")
    with pytest.raises(services.WorkspaceIsArchived):
        services.move_notebook(notebook=notebook, by=editor, workspace=company.newsroom)


def test_a_new_title_reaches_the_open_pages(company: Company, published: Published) -> None:
    notebook = factories.notebook(company.launches, title="Old")
    services.rename_notebook(notebook=notebook, by=notebook.owner, title=" New ")
    notebook.refresh_from_db()
    assert (notebook.title, notebook.slug) == ("New", "old")
    renamed = services.NotebookRenamed(notebook_id=str(notebook.pk), title="New")
    assert published == [(f"notebook.{notebook.pk}", renamed)]
    event = AuditEvent.objects.get(verb="notebook.renamed")
    assert event.data == {"before": "Old", "after": "New"}


def test_the_same_title_again_changes_nothing(company: Company, published: Published) -> None:
    notebook = factories.notebook(company.launches, title="Same")
    services.rename_notebook(notebook=notebook, by=notebook.owner, title="Same")
    assert published == []
    assert _verbs(notebook) == ["notebook.created"]


def test_a_copy_has_the_text_and_its_own_owner_and_no_shares(company: Company) -> None:
    notebook = factories.notebook(
        company.launches, text="Hello **there**", audience=Notebook.Audience.PRIVATE
    )
    reader = factories.member(company.newsroom)
    share_with_person(notebook=notebook, by=notebook.owner, person=reader, level=Level.VIEW)
    copy = services.duplicate_notebook(notebook=notebook, by=reader, workspace=company.newsroom)
    assert (copy.title, copy.owner, copy.workspace) == (
        "Copy of Launch plan",
        reader,
        company.newsroom,
    )
    assert _text_of(copy) == "Hello there"
    assert copy.audience == Notebook.Audience.PRIVATE
    assert not copy.grants.exists()
    assert _verbs(copy) == ["notebook.created", "notebook.duplicated"]


def test_the_title_of_a_copy_fits(company: Company) -> None:
    notebook = factories.notebook(company.launches, title="x" * 200)
    copy = services.duplicate_notebook(
        notebook=notebook, by=notebook.owner, workspace=company.launches
    )
    assert len(copy.title) == 200


def test_a_copys_pictures_outlive_the_original(company: Company) -> None:
    notebook = factories.notebook(company.launches)
    owner = notebook.owner
    image = add_image(notebook=notebook, by=owner, upload=_picture())
    add_image(notebook=notebook, by=owner, upload=_picture("blue"))  # not in the text
    shown = {"type": "image", "attrs": {"src": image.get_absolute_url(), "alt": ""}}
    payload = document.encode({"type": "doc", "content": [shown]})
    notebook.document.updates.update(payload=payload)

    copy = services.duplicate_notebook(notebook=notebook, by=owner, workspace=company.launches)
    copied = copy.images.get()
    assert document.image_sources(history.whole(copy.document).updates[0]) == {
        copied.get_absolute_url()
    }
    unused = notebook.images.exclude(pk=image.pk).get().file.name

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda call, **_: call())
        services.trash_notebook(notebook=notebook, by=owner)
        services.delete_notebook(notebook=notebook, by=owner)
    assert default_storage.exists(copied.file.name)
    assert not default_storage.exists(unused)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda call, **_: call())
        services.trash_notebook(notebook=copy, by=owner)
        services.delete_notebook(notebook=copy, by=owner)
    assert not default_storage.exists(copied.file.name)
    assert not Image.objects.exists()


def test_a_moved_notebook_keeps_its_shares_and_finds_a_free_slug(
    company: Company, published: Published
) -> None:
    editor = factories.member(company.brand)
    notebook = factories.notebook(company.launches, by=editor)
    factories.notebook(company.newsroom, by=editor)
    reader = factories.member(company.shops)
    share_with_person(notebook=notebook, by=editor, person=reader, level=Level.VIEW)
    published.clear()
    services.move_notebook(notebook=notebook, by=editor, workspace=company.newsroom)
    notebook.refresh_from_db()
    assert (notebook.workspace, notebook.slug) == (company.newsroom, "launch-plan-2")
    assert notebook.grants.count() == 1
    topic = f"notebook.{notebook.pk}"
    assert _types(published, topic) == ["notebook.moved", "access.changed"]


def test_moving_to_where_it_is_changes_nothing(company: Company, published: Published) -> None:
    notebook = factories.notebook(company.launches)
    services.move_notebook(notebook=notebook, by=notebook.owner, workspace=company.launches)
    assert published == []


def test_no_notebook_crosses_the_border_of_an_organization(company: Company) -> None:
    elsewhere = factories.company("Elsewhere")
    notebook = factories.notebook(company.launches)
    for service in (services.move_notebook, services.duplicate_notebook):
        with pytest.raises(services.OtherOrganization):
            service(notebook=notebook, by=notebook.owner, workspace=elsewhere.launches)


def test_trash_and_restore_reach_the_open_pages(company: Company, published: Published) -> None:
    notebook = factories.notebook(company.launches)
    topic = f"notebook.{notebook.pk}"
    services.trash_notebook(notebook=notebook, by=notebook.owner)
    assert _types(published, topic) == ["notebook.trashed", "access.changed"]
    published.clear()
    services.restore_notebook(notebook=notebook, by=notebook.owner)
    assert _types(published, topic) == ["notebook.restored", "access.changed"]
    notebook.refresh_from_db()
    assert (notebook.trashed_at, notebook.trashed_by) == (None, None)
    assert _verbs(notebook) == ["notebook.created", "notebook.trashed", "notebook.restored"]


def test_what_is_in_the_trash_does_not_change(company: Company) -> None:
    notebook = factories.notebook(company.launches)
    owner = notebook.owner
    services.trash_notebook(notebook=notebook, by=owner)
    for attempt in (
        lambda: services.rename_notebook(notebook=notebook, by=owner, title="New"),
        lambda: services.move_notebook(notebook=notebook, by=owner, workspace=company.newsroom),
        lambda: services.duplicate_notebook(
            notebook=notebook, by=owner, workspace=company.launches
        ),
        lambda: services.trash_notebook(notebook=notebook, by=owner),
        lambda: services.transfer_ownership(notebook=notebook, by=owner, to=company.owner),
    ):
        with pytest.raises(services.NotebookInTrash, match="Launch plan"):
            attempt()


def test_only_the_trash_is_restored_or_deleted(company: Company) -> None:
    notebook = factories.notebook(company.launches)
    for service in (services.restore_notebook, services.delete_notebook):
        with pytest.raises(services.NotebookNotInTrash):
            service(notebook=notebook, by=notebook.owner)


def test_deleting_for_good_leaves_only_the_trace(company: Company, published: Published) -> None:
    notebook = factories.notebook(company.launches)
    pk, topic = notebook.pk, f"notebook.{notebook.pk}"
    services.trash_notebook(notebook=notebook, by=notebook.owner)
    published.clear()
    services.delete_notebook(notebook=notebook, by=notebook.owner)
    assert not Notebook.objects.filter(pk=pk).exists()
    assert not DocUpdate.objects.exists()
    assert _types(published, topic) == ["notebook.deleted", "access.changed"]
    event = AuditEvent.objects.get(verb="notebook.deleted")
    assert (event.target_id, event.target_label) == (str(pk), "(erased)")  # a title is a text, too


def test_the_former_owner_keeps_an_editors_rights(company: Company, published: Published) -> None:
    notebook = factories.notebook(company.launches, audience=Notebook.Audience.PRIVATE)
    former, heir = notebook.owner, factories.member(company.shops)
    share_with_person(notebook=notebook, by=former, person=heir, level=Level.VIEW)
    published.clear()
    notebook = services.transfer_ownership(notebook=notebook, by=former, to=heir)
    assert selectors.level_of(heir, notebook) == Level.MANAGE
    assert selectors.level_of(former, notebook) == Level.RUN
    assert list(notebook.grants.values_list("user", "level")) == [(former.pk, Level.RUN)]
    assert _types(published, f"notebook.{notebook.pk}") == ["access.changed"]


def test_handing_over_to_oneself_changes_nothing(company: Company) -> None:
    notebook = factories.notebook(company.launches)
    services.transfer_ownership(notebook=notebook, by=notebook.owner, to=notebook.owner)
    assert not ShareGrant.objects.exists()


def test_nobody_from_outside_becomes_owner(company: Company) -> None:
    notebook = factories.notebook(company.launches)
    with pytest.raises(services.NotAMember):
        services.transfer_ownership(notebook=notebook, by=notebook.owner, to=factories.person())


def test_a_share_does_not_let_its_holder_take_the_notebook(company: Company) -> None:
    notebook = factories.notebook(company.launches)
    manager = factories.member(company.shops)
    share_with_person(notebook=notebook, by=notebook.owner, person=manager, level=Level.MANAGE)
    with pytest.raises(services.NotYoursToHandOver):
        services.transfer_ownership(notebook=notebook, by=manager, to=manager)
    lead = factories.member(company.brand, Role.DIVISION_LEAD)
    assert services.transfer_ownership(notebook=notebook, by=lead, to=manager).owner == manager


def test_a_visit_is_one_row_with_the_latest_time(company: Company) -> None:
    notebook = factories.notebook(company.launches)
    services.record_visit(notebook=notebook, user=notebook.owner)
    first = Visit.objects.get().opened_at
    services.record_visit(notebook=notebook, user=notebook.owner)
    assert Visit.objects.get().opened_at > first


# --- pages


def test_new_opens_the_new_notebook(company: Company, signed_in: SignedIn) -> None:
    editor = factories.member(company.launches)
    url = reverse("notebooks:create", args=[company.organization.slug])
    answer = signed_in(editor).post(url, {"workspace": company.launches.pk})
    notebook = Notebook.objects.get()
    assert answer["Location"] == reverse("notebooks:notebook", args=[notebook.pk])
    assert (notebook.owner, notebook.title) == (editor, "")


@pytest.mark.parametrize("place", ["newsroom", "shops", "other"])
def test_new_needs_a_workspace_where_one_may_write(
    company: Company, signed_in: SignedIn, place: str
) -> None:
    editor = factories.member(company.launches)
    workspace = factories.company("Other").launches if place == "other" else getattr(company, place)
    url = reverse("notebooks:create", args=[company.organization.slug])
    signed_in(editor).post(url, {"workspace": workspace.pk})
    assert not Notebook.objects.exists()


def test_a_reader_copies_to_where_the_reader_may_write(
    company: Company, signed_in: SignedIn
) -> None:
    notebook = factories.notebook(company.launches)
    reader = factories.member(company.launches, Role.VIEWER)
    factories.member(company.shops, Role.EDITOR, user=reader)
    answer = signed_in(reader).post(reverse("notebooks:duplicate", args=[notebook.pk]))
    copy = Notebook.objects.get(owner=reader)
    assert copy.workspace == company.shops
    assert answer["Location"] == reverse("notebooks:notebook", args=[copy.pk])


def test_who_may_write_nowhere_gets_no_copy(company: Company, signed_in: SignedIn) -> None:
    notebook = factories.notebook(company.launches)
    reader = factories.member(company.launches, Role.VIEWER)
    answer = signed_in(reader).post(reverse("notebooks:duplicate", args=[notebook.pk]))
    assert answer["Location"] == reverse("notebooks:notebook", args=[notebook.pk])
    assert Notebook.objects.count() == 1


def test_moving_offers_only_where_one_may_write(company: Company, signed_in: SignedIn) -> None:
    editor = factories.member(company.brand)
    notebook = factories.notebook(company.launches, by=editor)
    client, url = signed_in(editor), reverse("notebooks:move", args=[notebook.pk])
    assert list(client.get(url).context["places"]) == [company.newsroom]
    refused = client.post(url, {"workspace": company.shops.pk})
    assert refused.status_code == 422
    client.post(url, {"workspace": company.newsroom.pk})
    notebook.refresh_from_db()
    assert notebook.workspace == company.newsroom


def test_the_move_dialog_is_a_fragment_for_htmx_and_a_page_without(
    company: Company, signed_in: SignedIn
) -> None:
    notebook = factories.notebook(company.launches)
    client, url = signed_in(notebook.owner), reverse("notebooks:move", args=[notebook.pk])
    assert "<html" in client.get(url).content.decode()
    fragment = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "There is no other workspace" in fragment


def test_trash_restore_and_delete_by_their_pages(company: Company, signed_in: SignedIn) -> None:
    notebook = factories.notebook(company.launches)
    client = signed_in(notebook.owner)
    trash = reverse("notebooks:trash", args=[company.organization.slug])

    client.post(reverse("notebooks:trash_notebook", args=[notebook.pk]))
    assert "Launch plan" in client.get(trash).content.decode()
    client.post(reverse("notebooks:restore", args=[notebook.pk]))
    assert Notebook.objects.alive().count() == 1
    client.post(reverse("notebooks:trash_notebook", args=[notebook.pk]))
    answer = client.post(reverse("notebooks:delete", args=[notebook.pk]), follow=True)
    assert "deleted for good" in answer.content.decode()
    assert not Notebook.objects.exists()


def test_htmx_takes_the_row_out_of_the_list(company: Company, signed_in: SignedIn) -> None:
    first = factories.notebook(company.launches)
    last = factories.notebook(company.launches, by=first.owner)
    client, htmx = signed_in(first.owner), {"HX-Request": "true"}
    url = reverse("notebooks:trash_notebook", args=[first.pk])
    answer = client.post(url, headers=htmx)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "in the trash" in answer["HX-Trigger"]
    # With the last one the list is empty, and says so: the whole page comes anew.
    answer = client.post(reverse("notebooks:trash_notebook", args=[last.pk]), headers=htmx)
    assert answer["HX-Redirect"] == reverse("notebooks:list", args=[company.organization.slug])


def test_deleting_before_throwing_away_is_refused_in_words(
    company: Company, signed_in: SignedIn
) -> None:
    notebook = factories.notebook(company.launches)
    answer = signed_in(notebook.owner).post(reverse("notebooks:delete", args=[notebook.pk]))
    assert answer.status_code == 409
    assert "is not in the trash" in answer.content.decode()
