"""Who wrote in which cell: what compaction would forget, and consent has to know."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.notebooks.models.notebooks import Notebook


class CellWriter(models.Model):
    """That a person's updates changed the words of a cell, and last with which update."""

    class Part(models.TextChoices):
        """Where in the cell; the names are those of chain/marks.py."""

        RESULT = "result", _("In a result")
        SOURCE = "source", _("In an instruction, or in the text of a text cell")

    id = models.BigAutoField(primary_key=True)
    notebook = models.ForeignKey(Notebook, models.CASCADE, related_name="writers")
    cell_id = models.UUIDField()
    part = models.CharField(max_length=6, choices=Part.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    last_seq = models.PositiveBigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["notebook", "cell_id", "part", "user"], name="cell_writer_once"
            ),
            models.CheckConstraint(
                condition=models.Q(part__in=["result", "source"]), name="cell_writer_part"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in the {self.part} of {self.cell_id}"
