"""What the chain keeps beside the document: cells as last read, what models wrote, releases."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.core.ids import uuid7
from apps.notebooks.models.notebooks import Notebook


class Cell(models.Model):
    """A cell as the document had it at its `chain_seq`: for pickers, chips and other notebooks."""

    id = models.BigAutoField(primary_key=True)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="cells")
    cell_id = models.UUIDField()
    name = models.CharField(max_length=41)  # as shown, distinct in the notebook
    kind = models.CharField(max_length=10)
    position = models.PositiveIntegerField()
    spec = models.JSONField()  # instruction, parameters, standing output
    text = models.TextField(blank=True)  # the standing text
    # Of the words and whose they are (chain/marks.py); empty where there are none.
    result_sha256 = models.CharField(max_length=64, blank=True)
    source_sha256 = models.CharField(max_length=64, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)  # the result, last
    # Of the result that settled last; nothing before the first time.
    settled_sha256 = models.CharField(max_length=64, null=True, blank=True)
    settle_due = models.CharField(
        max_length=10, blank=True
    )  # what made it final, until a worker came

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["notebook", "cell_id"], name="cell_once"),
        ]
        indexes = [
            models.Index(
                fields=["changed_at"],
                condition=~models.Q(result_sha256=models.F("settled_sha256")),
                name="cell_unsettled",
            ),
            models.Index(fields=["id"], condition=~models.Q(settle_due=""), name="cell_settle_due"),
        ]

    def __str__(self) -> str:
        return self.name


class Edge(models.Model):
    """That a cell reads a cell of another notebook: who is told when the source changes."""

    id = models.BigAutoField(primary_key=True)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="edges")
    cell_id = models.UUIDField()
    source_notebook_id = models.UUIDField(db_index=True)  # no foreign key: it may be gone
    source_cell_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["notebook", "cell_id", "source_notebook_id", "source_cell_id"],
                name="edge_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cell_id} reads {self.source_cell_id}"


class CellOutput(models.Model):
    """An output of a model that came back for a cell, and what became of it."""

    class Status(models.TextChoices):
        """What became of it; a waiting one ends in any of the others."""

        WAITING = "waiting", _("Waiting beside the text")
        ADOPTED = "adopted", _("Adopted")
        DISMISSED = "dismissed", _("Dismissed")
        SUPERSEDED = "superseded", _("Followed by a newer one")
        TAKEN_BACK = "taken_back", _("Taken back")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="outputs")
    cell_id = models.UUIDField()
    output_id = models.UUIDField(unique=True)  # of apps.inference
    step_id = models.UUIDField()
    variant = models.PositiveSmallIntegerField()
    text = models.TextField()
    input_hash = models.CharField(max_length=64)  # of what it was made from
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    before = models.JSONField(null=True, blank=True)  # the blocks that adoption replaced
    # Nobody: adopted at once, because no person had written there.
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    adopted_seq = models.PositiveBigIntegerField(null=True, blank=True)  # the update that put it in
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "variant"]
        indexes = [
            models.Index(fields=["notebook", "cell_id", "-created_at"], name="cell_output_latest"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    status__in=["waiting", "adopted", "dismissed", "superseded", "taken_back"]
                ),
                name="cell_output_status",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_status_display()} in {self.cell_id}"


class Release(models.Model):
    """A version of a cell's text that an editor offers to other divisions. Never changed, but erased."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="releases")
    cell_id = models.UUIDField()
    name = models.CharField(max_length=41)
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    released_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)  # then the text is empty

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["notebook", "cell_id", "number"], name="release_number_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, release {self.number}"
