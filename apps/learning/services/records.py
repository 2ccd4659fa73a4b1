"""Keep what stood in a cell when it settled, beside the output that it began with."""

import hashlib
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from apps.inference.models import Output
from apps.inference.specs import normal
from apps.learning.distance import normalised
from apps.learning.models import EditRecord, PromptWriter, RecordEditor
from apps.organizations.models import Workspace

# From the strongest to the weakest.
STRENGTH = [
    EditRecord.Settle.APPROVED,
    EditRecord.Settle.PUBLISHED,
    EditRecord.Settle.RELEASED,
    EditRecord.Settle.DOWNLOADED,
    EditRecord.Settle.IDLE,
]


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A cell's text as it settled, seen from one of the outputs that it was made of."""

    workspace: Workspace
    notebook_id: UUID
    notebook_title: str
    cell_id: UUID
    cell_name: str
    output_id: UUID
    settle: str  # of EditRecord.Settle
    final_text: str
    kept_chars: int  # of the output's, line breaks not counted
    output_chars: int
    document_seq: int  # of the document that was read
    editors: frozenset[UUID] = field(default=frozenset())  # who wrote in the text
    prompt_writers: frozenset[UUID] = field(default=frozenset())  # whose words the model read

    def __post_init__(self) -> None:
        if self.settle not in STRENGTH:
            message = f"wanted one of {', '.join(STRENGTH)}, got {self.settle}"
            raise ValueError(message)
        if not 0 <= self.kept_chars <= self.output_chars:
            message = f"wanted 0 to {self.output_chars} kept characters, got {self.kept_chars}"
            raise ValueError(message)

    @property
    def sha256(self) -> str:
        """Return the hash of the final text."""
        return hashlib.sha256(self.final_text.encode()).hexdigest()


@transaction.atomic
def settle(*, settled: Settled) -> EditRecord:
    """Return the record of the settled text; a new one only where something is new.

    A text that a stronger event settled already, with nothing changed since, keeps that record.
    """
    # The lock makes one record of two workers that settle at once.
    output = Output.objects.select_for_update(of=("self",)).get(pk=settled.output_id)
    latest = _latest(settled)
    if latest is not None and _says_all(latest, settled):
        return latest
    record, is_new = EditRecord.objects.get_or_create(
        output=output,
        cell_id=settled.cell_id,
        settle=settled.settle,
        document_seq=settled.document_seq,
        defaults=_facts(output, settled),
    )
    if is_new:
        RecordEditor.objects.bulk_create(
            RecordEditor(record=record, user_id=user) for user in sorted(settled.editors)
        )
        PromptWriter.objects.bulk_create(
            PromptWriter(record=record, user_id=user) for user in sorted(settled.prompt_writers)
        )
    return record


def _facts(output: Output, settled: Settled) -> dict[str, object]:
    return {
        "organization_id": output.organization_id,
        "division_id": settled.workspace.division_id,
        "workspace": settled.workspace,
        "notebook_id": settled.notebook_id,
        "notebook_title": settled.notebook_title,
        "cell_name": settled.cell_name,
        "final_text": settled.final_text,
        "final_sha256": settled.sha256,
        "distance": normalised(normal(output.text), normal(settled.final_text)),
        "kept_chars": settled.kept_chars,
        "output_chars": settled.output_chars,
    }


def _latest(settled: Settled) -> EditRecord | None:
    records = EditRecord.objects.filter(
        output=settled.output_id, cell_id=settled.cell_id, erased_at__isnull=True
    )
    return records.filter(notebook_id=settled.notebook_id).order_by("-settled_at", "-pk").first()


def _says_all(known: EditRecord, settled: Settled) -> bool:
    """Say whether the record holds the same, from an event at least as strong."""
    if STRENGTH.index(EditRecord.Settle(known.settle)) > STRENGTH.index(
        EditRecord.Settle(settled.settle)
    ):
        return False
    if (known.final_sha256, known.kept_chars) != (settled.sha256, settled.kept_chars):
        return False
    editors = set(known.editors.values_list("user", flat=True))
    writers = set(known.prompt_writers.values_list("user", flat=True))
    return settled.editors <= editors and settled.prompt_writers <= writers
