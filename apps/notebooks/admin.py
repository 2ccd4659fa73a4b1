"""The operator's view of notebooks: that they exist, how large they are, who may open them.

What people wrote is not shown, in no list, form or file link: operating an instance is not reading it.
Nothing is changed here either; every write has its service.
"""

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models.functions import Length
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.notebooks.models import (
    Cell,
    CellOutput,
    CellWriter,
    Contribution,
    DocAuthor,
    DocSnapshot,
    Document,
    DocUpdate,
    Edge,
    Image,
    Notebook,
    Release,
    ShareGrant,
    Visit,
)
from apps.organizations.admin import ReadOnlyAdmin

# Names of fields that hold what people or models wrote, in whatever form, or that open it.
CONTENT = {"payload", "state", "text", "spec", "before", "file", "link_sha256"}


class WithoutContentAdmin(ReadOnlyAdmin):
    """Rows without what people wrote: those columns are neither shown nor read."""

    show_full_result_count = False

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Leave out every field that holds content."""
        return [field.name for field in self.opts.fields if field.name in CONTENT]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Leave the columns in the database, too: a page of updates would be megabytes."""
        return super().get_queryset(request).defer(*self.get_exclude(request))


@admin.register(Notebook)
class NotebookAdmin(WithoutContentAdmin):
    """Notebooks."""

    list_display = ["title", "organization", "workspace", "owner", "audience", "edited_at"]
    list_filter = ["organization", "audience", ("trashed_at", admin.EmptyFieldListFilter)]
    search_fields = ["title", "slug", "owner__email", "id"]
    list_select_related = ["organization", "workspace", "owner"]


@admin.register(Document)
class DocumentAdmin(WithoutContentAdmin):
    """The heads of the documents."""

    list_display = ["notebook", "last_seq", "schema_version", "epoch"]
    search_fields = ["notebook__title", "notebook__id"]
    list_select_related = ["notebook"]


@admin.register(DocUpdate)
class DocUpdateAdmin(WithoutContentAdmin):
    """Updates: when, by whom, how large."""

    list_display = ["document", "seq", "origin", "user", "size", "created_at"]
    list_filter = ["origin"]
    search_fields = ["document__notebook__id"]
    list_select_related = ["document__notebook", "user"]
    readonly_fields = ["size"]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Measure the payload where it lies."""
        size = Length("payload")
        return super().get_queryset(request).annotate(size=size)

    @admin.display(description=_("size in bytes"))
    def size(self, obj: Any) -> int:  # annotated above
        """Return the bytes of the update."""
        return int(obj.size)


@admin.register(DocSnapshot)
class DocSnapshotAdmin(WithoutContentAdmin):
    """Compacted states: up to where and when."""

    list_display = ["document", "upto_seq", "created_at"]
    list_select_related = ["document__notebook"]


@admin.register(Contribution)
class ContributionAdmin(WithoutContentAdmin):
    """Who wrote where."""

    list_display = ["notebook", "user", "first_at", "last_at"]
    search_fields = ["notebook__title", "user__email"]
    list_select_related = ["notebook", "user"]


@admin.register(Visit)
class VisitAdmin(WithoutContentAdmin):
    """Who opened what."""

    list_display = ["notebook", "user", "opened_at"]
    search_fields = ["notebook__title", "user__email"]
    list_select_related = ["notebook", "user"]


@admin.register(Image)
class ImageAdmin(WithoutContentAdmin):
    """Pictures: kind and size, never the picture."""

    list_display = ["notebook", "mime", "width", "height", "size_bytes", "uploaded_by"]
    list_filter = ["mime"]
    search_fields = ["notebook__title", "sha256"]
    list_select_related = ["notebook", "uploaded_by"]


@admin.register(ShareGrant)
class ShareGrantAdmin(WithoutContentAdmin):
    """Shares; the hash of a link is of no use to anybody."""

    list_display = ["notebook", "user", "division", "level", "expires_at", "created_by"]
    list_filter = ["level"]
    search_fields = ["notebook__title", "user__email", "division__name"]
    list_select_related = ["notebook", "user", "division", "created_by"]


@admin.register(Cell)
class CellAdmin(WithoutContentAdmin):
    """Cells: name and kind."""

    list_display = ["notebook", "name", "kind", "position"]
    list_filter = ["kind"]
    search_fields = ["notebook__title", "name"]
    list_select_related = ["notebook"]


@admin.register(CellWriter)
class CellWriterAdmin(WithoutContentAdmin):
    """Who wrote in which cell."""

    list_display = ["notebook", "cell_id", "part", "user", "last_seq"]
    list_filter = ["part"]
    search_fields = ["notebook__title", "user__email"]
    list_select_related = ["notebook", "user"]


@admin.register(Edge)
class EdgeAdmin(WithoutContentAdmin):
    """Which cell reads which."""

    list_display = ["notebook", "cell_id", "source_notebook_id", "source_cell_id"]
    list_select_related = ["notebook"]


@admin.register(CellOutput)
class CellOutputAdmin(WithoutContentAdmin):
    """Results: of which cell and what became of them."""

    list_display = ["notebook", "cell_id", "variant", "status", "decided_by", "created_at"]
    list_filter = ["status"]
    search_fields = ["notebook__title", "output_id"]
    list_select_related = ["notebook", "decided_by"]


@admin.register(Release)
class ReleaseAdmin(WithoutContentAdmin):
    """Released versions of cells."""

    list_display = ["notebook", "name", "number", "released_by", "released_at"]
    search_fields = ["notebook__title", "name"]
    list_select_related = ["notebook", "released_by"]


@admin.register(DocAuthor)
class DocAuthorAdmin(WithoutContentAdmin):
    """Whose browser wrote under which id."""

    list_display = ["document", "client", "user"]
    list_select_related = ["document", "user"]
