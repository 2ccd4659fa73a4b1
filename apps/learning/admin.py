"""The operator's view of what was learned: who and when, never the text."""

from django.contrib import admin

from apps.catalog.admin import ReadOnly
from apps.learning.models import Consent, EditRecord, Feedback, Package, PromptWriter, RecordEditor


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly):
    """Feedback."""

    list_display = ["output", "kind", "user", "organization", "created_at"]


@admin.register(EditRecord)
class EditRecordAdmin(ReadOnly):
    """Edit records, without what stood there."""

    list_display = ["output", "settle", "distance", "organization", "settled_at"]
    exclude = ["final_text"]


@admin.register(RecordEditor)
class RecordEditorAdmin(ReadOnly):
    """Who wrote."""

    list_display = ["record", "user"]


@admin.register(PromptWriter)
class PromptWriterAdmin(ReadOnly):
    """Whose words the model was given."""

    list_display = ["record", "user"]


@admin.register(Consent)
class ConsentAdmin(ReadOnly):
    """What may not be learned from."""

    list_display = ["subject_kind", "subject_id", "organization", "denied_by", "denied_at"]


@admin.register(Package)
class PackageAdmin(ReadOnly):
    """Files to train on, without the way to them."""

    list_display = ["organization", "status", "done", "total", "requested_by", "created_at"]
    exclude = ["file"]
