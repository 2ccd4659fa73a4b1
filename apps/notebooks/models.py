"""Notebooks, the updates that their documents are made of, and who may open them.

The truth about a document is its updates (Yjs, merged in any order); no other row holds its content.
"""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.core.ids import uuid7
from apps.organizations.models import Division, Organization, Workspace
from apps.organizations.policy import Level

SCHEMA_VERSION = (
    1  # of the document's node types; raise it with every change of static/notebooks/schema
)


class NotebookQuerySet(models.QuerySet["Notebook"]):
    """Filters on notebooks."""

    def alive(self) -> Self:
        """Leave out the trash."""
        return self.filter(trashed_at__isnull=True)

    def trashed(self) -> Self:
        """Keep the trash only."""
        return self.filter(trashed_at__isnull=False)


class Notebook(models.Model):
    """A document that a team writes together. Its title lives here, its text in DocUpdate."""

    class Audience(models.TextChoices):
        """Who may open it without being asked in."""

        WORKSPACE = "workspace", _("Everyone in the workspace, by their role")
        PRIVATE = "private", _("Only people it is shared with")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="notebooks")
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="notebooks")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="notebooks")
    title = models.CharField(_("title"), max_length=200)
    slug = models.SlugField(max_length=80)  # its name in references, kept when the title changes
    audience = models.CharField(max_length=10, choices=Audience.choices, default=Audience.WORKSPACE)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    edited_at = models.DateTimeField(default=timezone.now)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    trashed_at = models.DateTimeField(null=True, blank=True)
    trashed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = NotebookQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "slug"], name="notebook_slug_once"),
        ]
        indexes = [
            models.Index(fields=["organization", "-edited_at"], name="notebook_by_edit"),
        ]

    def __str__(self) -> str:
        return self.title or str(_("Untitled"))


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


class Contribution(models.Model):
    """That a person has written in a notebook, since when, and last when."""

    id = models.BigAutoField(primary_key=True)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="contributions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="contributions")
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["notebook", "user"], name="contribution_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.notebook_id}"


class Visit(models.Model):
    """When a person last opened a notebook: the list's "recent"."""

    id = models.BigAutoField(primary_key=True)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="visits")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="visits")
    opened_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notebook", "user"], name="visit_once")]

    def __str__(self) -> str:
        return f"{self.user_id} opened {self.notebook_id}"


class ShareGrant(models.Model):
    """A level on one notebook for a person, a division, or whoever in the organization has a link."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="grants")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="grants"
    )
    division = models.ForeignKey(Division, models.CASCADE, null=True, blank=True)
    link_sha256 = models.CharField(max_length=64, unique=True, null=True, blank=True)
    level = models.PositiveSmallIntegerField(
        choices=[(int(level), level.name.lower()) for level in Level if level]
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    # A person who opened a link holds a grant of their own that ends with the link's.
    through_link = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="opened"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, division__isnull=True, link_sha256__isnull=True)
                | Q(user__isnull=True, division__isnull=False, link_sha256__isnull=True)
                | Q(user__isnull=True, division__isnull=True, link_sha256__isnull=False),
                name="grant_one_principal",
            ),
            models.UniqueConstraint(
                fields=["notebook", "user", "through_link"],
                condition=Q(user__isnull=False),
                name="grant_once_per_person",
            ),
            # The one above lets several through: no NULL equals another.
            models.UniqueConstraint(
                fields=["notebook", "user"],
                condition=Q(user__isnull=False, through_link__isnull=True),
                name="grant_once_per_person_directly",
            ),
            models.UniqueConstraint(
                fields=["notebook", "division"],
                condition=Q(division__isnull=False),
                name="grant_once_per_division",
            ),
        ]

    def __str__(self) -> str:
        return f"{Level(self.level).name.lower()} on {self.notebook_id}"


class Image(models.Model):
    """A picture in a notebook. Its file is opened only through the notebook's gate."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="images")
    file = models.FileField(upload_to="notebooks/images/%Y/%m/", max_length=200)
    sha256 = models.CharField(max_length=64)
    mime = models.CharField(max_length=40)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size_bytes = models.PositiveIntegerField()
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.mime}, {self.width} x {self.height}"

    def get_absolute_url(self) -> str:
        """Return where the picture is served to those who may open its notebook."""
        return reverse("notebooks:image", args=[self.notebook_id, self.pk])
