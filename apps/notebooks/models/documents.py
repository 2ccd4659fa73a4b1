"""The truth about a document: its updates (Yjs, merged in any order).

No other row holds its content.
"""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.notebooks.models.notebooks import Notebook

# Of the document's node types; raise it with every change of static/notebooks/schema.
SCHEMA_VERSION = 2


class Document(models.Model):
    """The head of a notebook's updates. Its row is the lock under which sequence numbers are given."""

    notebook = models.OneToOneField(
        Notebook, models.CASCADE, primary_key=True, related_name="document"
    )
    # A copy in a browser belongs to one epoch. A new one begins when history is replaced (restore from a
    # backup): copies of the old epoch may not merge into it and become forks.
    epoch = models.UUIDField(default=uuid.uuid4)
    schema_version = models.PositiveIntegerField(default=SCHEMA_VERSION)
    last_seq = models.PositiveBigIntegerField(default=0)
    chain_seq = models.PositiveBigIntegerField(default=0)  # what the rows of Cell were read from
    # When the epoch began because something was erased: a copy of the one before has the same letters
    # by the same ids, those erased among them. Empty when history was replaced by another.
    redacted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"document of {self.notebook_id} at {self.last_seq}"


class DocUpdate(models.Model):
    """One update, as appended and acknowledged. Never changed; compaction replaces runs by a DocSnapshot."""

    class Origin(models.TextChoices):
        """What made the update."""

        HUMAN = "human", _("A person")
        MODEL = "model", _("A model's result, adopted")
        IMPORT = "import", _("Seed or import")
        SYSTEM = "system", _("InferenceCloud")

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(Document, models.CASCADE, related_name="updates")
    seq = models.PositiveBigIntegerField()
    payload = models.BinaryField()
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.HUMAN)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "seq"], name="doc_update_seq_once"),
        ]

    def __str__(self) -> str:
        return f"update {self.seq} of {self.document_id}"


class DocSnapshot(models.Model):
    """All updates up to a sequence number, merged (pending ones included)."""

    document = models.OneToOneField(
        Document, models.CASCADE, primary_key=True, related_name="snapshot"
    )
    upto_seq = models.PositiveBigIntegerField()
    state = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"snapshot of {self.document_id} up to {self.upto_seq}"


class DocAuthor(models.Model):
    """Whose browser wrote under an id of Yjs (`client`): what compaction would forget about updates."""

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(Document, models.CASCADE, related_name="authors")
    client = models.BigIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "client"], name="doc_author_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} wrote as {self.client} in {self.document_id}"
