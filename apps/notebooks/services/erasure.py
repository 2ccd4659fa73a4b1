"""Forget: what stands nowhere any more, what one person wrote, one output, one notebook.

A document is written anew without the words under a new epoch; outputs, records and releases become
tombstones; prompts that had read the words lose them, in whatever notebook they were written. What is
kept of a text is its hash.
"""

import json
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import User
from apps.core import scrubbing
from apps.inference import erasure as inference
from apps.inference.models import Output
from apps.inference.specs import Subject, normal
from apps.learning.models import EditRecord
from apps.learning.services import downloads
from apps.learning.services import erasure as learning
from apps.notebooks import authors, document, history, mirrors, projection, redaction
from apps.notebooks.chain.prompts import CLOSING, wording_of
from apps.notebooks.models import (
    CellOutput,
    DocSnapshot,
    Document,
    DocUpdate,
    Image,
    Notebook,
    Release,
)
from apps.organizations import audit
from apps.organizations.models import Organization
from apps.organizations.services import forgetting
from apps.realtime import publish
from apps.realtime.events import Event

Status = CellOutput.Status


@dataclass(frozen=True, kw_only=True)
class NotebookRedacted(Event):
    """Something was erased from the document: copies of its earlier epoch are to be given up."""

    type: ClassVar[str] = "notebook.redacted"
    notebook_id: str


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What an erasure took away, and what had been made with it."""

    outputs: int = 0
    prompts: int = 0
    records: int = 0
    releases: int = 0
    pictures: int = 0
    made_elsewhere: list[str] = field(default_factory=list)  # outputs in other notebooks
    dataset_versions: list[str] = field(default_factory=list)  # those that had used it
    models: list[str] = field(default_factory=list)  # those that were trained on them


@transaction.atomic
def forget_past(*, notebook: Notebook, by: User | None) -> Erased:
    """Forget everything about the notebook that does not stand in it now.

    Deleted words and pictures, outputs that nobody took or that people wrote over, what models were
    asked in words that stand no more, records of earlier texts. The newest release of a cell stands.
    """
    head = Document.objects.select_for_update().get(pk=notebook.pk)
    erased = _settle(head, redaction.without_past(_state(head)), newest_release_stands=True)
    _tell(notebook, "notebook.past_erased", by=by, data=asdict(erased))
    return erased


def forget_writing(
    *, person: User, organization: Organization, by: User | None
) -> dict[str, Erased]:
    """Forget all that the person wrote in the organization's notebooks; return what, by notebook.

    Their letters and pictures go out of the documents; with them goes whatever does not stand there
    any more, for nobody knows whose words an earlier text was made of.
    """
    found = {}
    for notebook in Notebook.objects.filter(organization=organization).order_by("pk"):
        erased = _forget_writing_in(notebook, person, by)
        if erased is not None:
            found[str(notebook.pk)] = erased
    return found


@transaction.atomic
def _forget_writing_in(notebook: Notebook, person: User, by: User | None) -> Erased | None:
    head = Document.objects.select_for_update().get(pk=notebook.pk)
    clients = {client for client, user in authors.of(head.pk).items() if user == person.pk}
    pictures = notebook.images.filter(uploaded_by=person)
    if not clients and not pictures.exists():
        return None
    shown = {image.get_absolute_url() for image in pictures}
    state = redaction.without_clients(redaction.without_pictures(_state(head), shown), clients)
    erased = _settle(head, state, newest_release_stands=False)
    head.authors.filter(user=person).delete()
    data = {**asdict(erased), "person": str(person.pk)}
    _tell(notebook, "notebook.writing_erased", by=by, data=data)
    return erased


@transaction.atomic
def forget_output(*, output: Output, by: User | None) -> Erased:
    """Forget one text of a model: where it stands, what it replaced, and in what was made from it."""
    subject = Subject.of_topic(output.step_run.topic)
    notebook = (
        Notebook.objects.filter(pk=subject.id).first() if subject.kind == "notebook" else None
    )
    lines = [line for line in normal(output.text).split("\n") if line]
    releases = 0
    if notebook is not None:
        releases = _take_out(notebook, output, lines)
    downloads.withdraw(output.organization_id)
    inference.forget_outputs([output.pk])
    mention = str(output.pk)
    prompts, made = inference.forget_reads(
        output.organization_id, mention=mention, stands=_unless_read(mention, lines)
    )
    records = learning.forget_records_of_outputs([output.pk])
    erased = Erased(
        outputs=1,
        prompts=prompts,
        records=len(records),
        releases=releases,
        made_elsewhere=[str(pk) for pk in made if pk != output.pk],
    )
    audit.record(
        verb="output.erased",
        actor=by,
        organization=output.organization,
        target=notebook,
        data={"output": mention, "sha256": output.sha256, **asdict(erased)},
    )
    scrubbing.after_commit()
    return erased


def _take_out(notebook: Notebook, output: Output, lines: list[str]) -> int:
    """Take the output out of the document and of what lies beside it; return how many releases."""
    head = Document.objects.select_for_update().get(pk=notebook.pk)
    mention = str(output.pk)
    _replace(head, redaction.without_output(_state(head), mention))
    for row in CellOutput.objects.filter(notebook=notebook, before__isnull=False):
        if mention in json.dumps(row.before):
            CellOutput.objects.filter(pk=row.pk).update(before=None)
    for row in CellOutput.objects.filter(output_id=output.pk):
        _bury_cell_output(row)
    projection.project(notebook.pk)
    found = Release.objects.filter(notebook=notebook, erased_at__isnull=True)
    gone = [one.pk for one in found if any(line in normal(one.text) for line in lines)]
    return Release.objects.filter(pk__in=gone).update(text="", erased_at=timezone.now())


def _unless_read(output_id: str, lines: list[str]) -> inference.Stands:
    def stands(_role: str, segment: dict[str, Any]) -> bool:
        text = normal(segment["text"])
        return segment.get("output") != output_id and not any(line in text for line in lines)

    return stands


@transaction.atomic
def forget_record(*, record: EditRecord, by: User | None) -> None:
    """Forget what stood in a cell when it settled."""
    learning.forget_record(record)
    downloads.withdraw(record.organization_id)
    audit.record(
        verb="record.erased",
        actor=by,
        organization=record.organization,
        data={"record": str(record.pk), "sha256": record.final_sha256, **asdict(Erased(records=1))},
    )
    scrubbing.after_commit()


def forget_everything(notebook: Notebook) -> Erased:
    """Forget what lies beside a notebook that is about to be deleted; its own rows go with it."""
    downloads.withdraw(notebook.organization_id)
    Document.objects.select_for_update().get(pk=notebook.pk)
    nothing = _Standing(notebook=str(notebook.pk))
    erased = _forget_beside(notebook, nothing, cells={})
    mirrors.forget(notebook.pk)
    forgetting.forget_target(notebook.pk)
    scrubbing.after_commit()
    return replace(erased, releases=notebook.releases.count(), pictures=notebook.images.count())


@transaction.atomic
def forget_untaken(organization: Organization, *, before: datetime, limit: int) -> int:
    """Forget outputs from before that time that nobody took; return how many there were."""
    untaken = CellOutput.objects.filter(
        notebook__organization=organization, created_at__lt=before
    ).exclude(Q(status__in=[Status.ADOPTED, Status.TAKEN_BACK]) | Q(text="", before=None))
    rows = list(untaken.order_by("created_at")[:limit])
    for row in rows:
        _bury_cell_output(row)
    inference.forget_outputs([row.output_id for row in rows])
    if rows:
        downloads.withdraw(organization)
        scrubbing.after_commit()
    return len(rows)


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """The words that stand in a notebook, as prompts could have read them."""

    notebook: str
    instructions: frozenset[str] = frozenset()
    texts: dict[str, frozenset[str]] = field(default_factory=dict)  # by cell's key
    outputs: frozenset[uuid.UUID] = frozenset()

    def here(self, role: str, segment: dict[str, Any]) -> bool:
        """Say whether a segment of the notebook's own prompts may stay."""
        if role == "system":
            return True
        if segment["kind"] == "text":
            written = normal(segment["text"]).strip(CLOSING)
            return any(written in one for one in self.instructions)
        return self.elsewhere(role, segment)

    def elsewhere(self, _role: str, segment: dict[str, Any]) -> bool:
        """Say whether a segment of any prompt may stay: it is no text of the notebook, or one that stands."""
        ref = str(segment.get("ref", ""))
        if not ref.startswith(f"{self.notebook}:"):
            return True
        return normal(segment["text"]) in self.texts.get(ref, ())


def _settle(head: Document, state: bytes, *, newest_release_stands: bool) -> Erased:
    """Make the state the whole of the document, and forget beside it what does not stand there."""
    notebook = head.notebook
    _replace(head, state)
    projected = projection.project(notebook.pk)
    cells = {spec.key.cell: normal(spec.text) for spec in projected.cells}
    releases = _forget_releases(notebook, cells, newest_stands=newest_release_stands)
    released = Release.objects.filter(notebook=notebook, erased_at__isnull=True)
    texts = {str(spec.key): {normal(spec.text), normal(spec.readable)} for spec in projected.cells}
    for release in released:
        texts.setdefault(f"{notebook.pk}:{release.cell_id}", set()).add(normal(release.text))
    standing = _Standing(
        notebook=str(notebook.pk),
        instructions=frozenset(
            normal(part)
            for spec in projected.cells
            for part in (*spec.parts, wording_of(spec))
            if isinstance(part, str)
        ),
        texts={key: frozenset(some) for key, some in texts.items()},
        outputs=_outputs_that_stand(notebook, {spec.output_id for spec in projected.cells}),
    )
    erased = _forget_beside(notebook, standing, cells=cells)
    forgetting.forget_target(notebook.pk, label=str(notebook))
    return replace(erased, releases=releases, pictures=_forget_pictures(notebook, state))


def _outputs_that_stand(notebook: Notebook, adopted: set[str | None]) -> frozenset[uuid.UUID]:
    """Return the outputs whose whole text can be seen: in a cell, or waiting beside it."""
    waiting = notebook.outputs.filter(status=Status.WAITING).values_list("output_id", flat=True)
    return frozenset([*waiting, *(uuid.UUID(one) for one in adopted if one)])


def _forget_beside(
    notebook: Notebook, standing: _Standing, *, cells: dict[uuid.UUID, str]
) -> Erased:
    subject = Subject(kind="notebook", id=standing.notebook)
    inference.stop_all(subject)
    stands = standing.here if cells else inference.nothing_stands
    forgotten = inference.forget_subject(subject, keep=standing.outputs, stands=stands)
    prompts, made = inference.forget_reads(
        notebook.organization_id, mention=standing.notebook, stands=standing.elsewhere
    )
    for row in notebook.outputs.exclude(output_id__in=standing.outputs):
        _bury_cell_output(row)
    notebook.outputs.update(before=None)
    records = learning.forget_records(
        notebook.pk, title=str(notebook), stands=partial(_record_stands, standing, cells)
    )
    own = set(Output.objects.filter(step_run__topic=subject.topic).values_list("pk", flat=True))
    return Erased(
        outputs=len(forgotten.outputs),
        prompts=forgotten.prompts + prompts,
        records=len(records),
        made_elsewhere=[str(pk) for pk in made if pk not in own],
    )


def _record_stands(standing: _Standing, cells: dict[uuid.UUID, str], record: EditRecord) -> bool:
    is_current = normal(record.final_text) == cells.get(record.cell_id)
    return is_current and record.output_id in standing.outputs


def _bury_cell_output(row: CellOutput) -> None:
    row.text, row.before = "", None
    if row.status == Status.WAITING:
        row.status = Status.SUPERSEDED
    row.save(update_fields=["text", "before", "status"])


def _forget_releases(
    notebook: Notebook, cells: dict[uuid.UUID, str], *, newest_stands: bool
) -> int:
    """Make tombstones of releases whose text stands no more; their numbers and hashes stay."""
    gone = []
    seen: set[uuid.UUID] = set()
    for release in notebook.releases.filter(erased_at__isnull=True).order_by("-number"):
        is_offered = newest_stands and release.cell_id in cells and release.cell_id not in seen
        seen.add(release.cell_id)
        if not is_offered and normal(release.text) != cells.get(release.cell_id):
            gone.append(release.pk)
    return Release.objects.filter(pk__in=gone).update(text="", name="", erased_at=timezone.now())


def _forget_pictures(notebook: Notebook, state: bytes) -> int:
    shown = document.image_sources(state)
    gone = [image for image in notebook.images.all() if image.get_absolute_url() not in shown]
    names = {str(image.file.name) for image in gone}
    Image.objects.filter(pk__in=[image.pk for image in gone]).delete()
    transaction.on_commit(partial(delete_files, names), robust=True)
    return len(gone)


def delete_files(names: set[str]) -> None:
    """Delete the files of pictures that no notebook shows any more."""
    for name in names - set(Image.objects.filter(file__in=names).values_list("file", flat=True)):
        default_storage.delete(name)


def _state(head: Document) -> bytes:
    return history.whole(head).updates[0]


def _replace(head: Document, state: bytes) -> None:
    """Make the state the whole history of the document, of a new epoch."""
    authors.note(head.pk, upto_seq=head.last_seq)
    DocSnapshot.objects.update_or_create(
        document=head,
        defaults={"upto_seq": head.last_seq, "state": state, "created_at": timezone.now()},
    )
    DocUpdate.objects.filter(document=head).delete()
    head.epoch, head.redacted_at, head.chain_seq = uuid.uuid4(), timezone.now(), 0
    head.save(update_fields=["epoch", "redacted_at", "chain_seq"])
    mirrors.forget(head.pk)
    told = NotebookRedacted(notebook_id=str(head.pk))
    publish.on_commit(f"notebook.{head.pk}", told)


def _tell(notebook: Notebook, verb: str, *, by: User | None, data: dict[str, Any]) -> None:
    downloads.withdraw(notebook.organization_id)
    audit.record(
        verb=verb, actor=by, organization=notebook.organization, target=notebook, data=data
    )
    projection.announce(notebook.pk)
    scrubbing.after_commit()
