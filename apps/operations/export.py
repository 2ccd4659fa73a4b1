"""Write everything that one organization owns, so that it can be read without the product.

Notebooks as Markdown, as JSON and as the state of Yjs, everything else as one JSON object per line; a
manifest with the hash of every file. What only opens doors (hashes of passwords and links) is left out.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.core.files.storage import default_storage
from django.db.models import Model, QuerySet
from django.utils import timezone

from apps.catalog.models import Deployment, ModelFamily, ModelVersion, Variant
from apps.inference.models import Output, Run, StepRun
from apps.learning.models import Consent, EditRecord, Feedback, PromptWriter, RecordEditor
from apps.notebooks import document, history, markdown
from apps.notebooks.models import CellOutput, Document, DocUpdate, Image, Notebook, ShareGrant
from apps.operations.moment import one_moment
from apps.organizations.models import AuditEvent, Invitation, Membership, Organization, Retention

LEFT_OUT = {"secret_sha256", "link_sha256", "file", "before", "lease_owner"}
CHUNK = 500
README = """Everything that {name} owned in InferenceCloud on {when}.

manifest.json          every file here, with its size and its SHA-256
organization.json      the organization itself
people.jsonl           who belonged to it
divisions, workspaces, memberships, invitations, grants.jsonl
notebooks.jsonl        the list of notebooks; each has a folder under notebooks/ named after its id:
    text.md            what stands in it, as Markdown
    content.json       the same in full: every paragraph with its marks
    state.yjs          the same as an update of Yjs (encoding 1), to be loaded by any Yjs
    updates.jsonl      who wrote when
    cells.json         its cells;  releases.json  what was released from them
    results.jsonl      what models wrote for its cells and what became of it
images/                the pictures, by id; images.jsonl says what they are and where they belong
runs, steps, outputs.jsonl       what models were asked and what they wrote
feedback, edit_records, record_editors, prompt_writers, consents.jsonl
models.jsonl, model_versions.jsonl, variants.jsonl, deployments.jsonl   models of its own
audit.jsonl            who did what, the oldest first

A .jsonl file holds one JSON object per line, in UTF-8. Times are UTC, in ISO 8601. Objects refer to
each other by id. A text that was erased is empty, with its time in erased_at.
"""


class Sink(Protocol):
    """Where files are written."""

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write one file."""


class Folder:
    """Files in a new folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True)

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write one file."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            for piece in pieces:
                out.write(piece)


class Archive:
    """Files in a ZIP."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write one file."""
        with self._archive.open(name, "w", force_zip64=True) as out:
            for piece in pieces:
                out.write(piece)


@dataclass(frozen=True, kw_only=True)
class Written:
    """What an export holds."""

    files: int
    size_bytes: int
    notebooks: int


def write_export(organization: Organization, sink: Sink) -> Written:
    """Write all of it as it was at one moment."""
    writing = _Writing(sink)
    with one_moment():
        _write_organization(organization, writing)
        notebooks = Notebook.objects.filter(organization=organization).order_by("pk")
        count = 0
        for notebook in notebooks.iterator(CHUNK):
            _write_notebook(notebook, writing)
            count += 1
        for name, rows in _tables(organization).items():
            writing.rows(f"{name}.jsonl", rows)
        _write_images(organization, writing)
    when = f"{timezone.now():%Y-%m-%d %H:%M} UTC"
    writing.text("README.txt", README.format(name=organization.name, when=when))
    return writing.end(notebooks=count)


class _Writing:
    """Hashes whatever is written on its way to the sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._files: list[dict[str, Any]] = []

    def pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        digest, size = hashlib.sha256(), 0

        def passing() -> Iterator[bytes]:
            nonlocal size
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                yield piece

        self._sink.write(name, passing())
        self._files.append({"name": name, "size_bytes": size, "sha256": digest.hexdigest()})

    def text(self, name: str, text: str) -> None:
        self.pieces(name, [text.encode()])

    def json(self, name: str, value: Any) -> None:  # JSON
        self.text(name, json.dumps(value, ensure_ascii=False, indent=1, default=_plain))

    def rows(self, name: str, rows: QuerySet[Any]) -> None:  # of any model
        self.pieces(name, (_line(row) for row in rows.iterator(CHUNK)))

    def end(self, *, notebooks: int) -> Written:
        """Write the manifest, which says everything but itself."""
        manifest = {"format": 1, "files": self._files}
        self._sink.write("manifest.json", [json.dumps(manifest, indent=1).encode()])
        size = sum(one["size_bytes"] for one in self._files)
        return Written(files=len(self._files), size_bytes=size, notebooks=notebooks)


def as_object(row: Model) -> dict[str, Any]:
    """Return the row's own columns, but those that only open doors."""
    return {
        field.attname: field.value_from_object(row)
        for field in row._meta.local_concrete_fields
        if field.name not in LEFT_OUT
    }


def _line(row: Model) -> bytes:
    return json.dumps(as_object(row), ensure_ascii=False, default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:  # whatever a field gives
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    message = f"wanted something that JSON can say, got {type(value).__name__}"
    raise TypeError(message)


def _write_organization(organization: Organization, writing: _Writing) -> None:
    kept = Retention.objects.filter(organization=organization).first()
    whole = {**as_object(organization), "retention": as_object(kept) if kept else None}
    writing.json("organization.json", whole)
    people = Membership.objects.filter(organization=organization).values(
        "user", "user__name", "user__email", "user__date_joined"
    )
    lines = (
        json.dumps(
            {"id": one["user"], "name": one["user__name"], "email": one["user__email"],
             "date_joined": one["user__date_joined"]},
            ensure_ascii=False, default=_plain,
        ).encode() + b"\n"
        for one in people.distinct().order_by("user")
    )  # fmt: skip
    writing.pieces("people.jsonl", lines)


def _write_notebook(notebook: Notebook, writing: _Writing) -> None:
    place = f"notebooks/{notebook.pk}"
    state = history.whole(Document.objects.get(pk=notebook.pk)).updates[0]
    content = document.decode(state)
    writing.text(f"{place}/text.md", f"# {notebook}\n\n{markdown.render(content)}")
    writing.json(f"{place}/content.json", content)
    writing.pieces(f"{place}/state.yjs", [state])
    writing.json(f"{place}/cells.json", [as_object(cell) for cell in notebook.cells.all()])
    writing.json(f"{place}/releases.json", [as_object(one) for one in notebook.releases.all()])
    writing.rows(f"{place}/results.jsonl", CellOutput.objects.filter(notebook=notebook))
    rows = DocUpdate.objects.filter(document=notebook.pk).order_by("seq")
    said = rows.values_list("seq", "user", "origin", "created_at").iterator(CHUNK)
    names = ("seq", "user_id", "origin", "created_at")
    writing.pieces(
        f"{place}/updates.jsonl",
        (
            json.dumps(dict(zip(names, one, strict=True)), default=_plain).encode() + b"\n"
            for one in said
        ),
    )


def _tables(organization: Organization) -> dict[str, QuerySet[Any]]:  # of any model
    """Return what is written row by row, by the name of its file."""
    mine = {"organization": organization}
    families = ModelFamily.objects.filter(**mine)
    return {
        "divisions": organization.divisions.order_by("pk"),
        "workspaces": organization.workspaces.order_by("pk"),
        "memberships": Membership.objects.filter(**mine).order_by("pk"),
        "invitations": Invitation.objects.filter(**mine).order_by("pk"),
        "notebooks": Notebook.objects.filter(**mine).order_by("pk"),
        "grants": ShareGrant.objects.filter(notebook__organization=organization).order_by("pk"),
        "images": Image.objects.filter(notebook__organization=organization).order_by("pk"),
        "runs": Run.objects.filter(**mine).order_by("pk"),
        "steps": StepRun.objects.filter(run__organization=organization).order_by("pk"),
        "outputs": Output.objects.filter(**mine).order_by("pk"),
        "feedback": Feedback.objects.filter(**mine).order_by("pk"),
        "edit_records": EditRecord.objects.filter(**mine).order_by("pk"),
        "record_editors": RecordEditor.objects.filter(record__organization=organization),
        "prompt_writers": PromptWriter.objects.filter(record__organization=organization),
        "consents": Consent.objects.filter(**mine).order_by("pk"),
        "models": families.order_by("pk"),
        "model_versions": ModelVersion.objects.filter(family__in=families).order_by("pk"),
        "variants": Variant.objects.filter(version__family__in=families).order_by("pk"),
        "deployments": Deployment.objects.filter(**mine).order_by("pk"),
        "audit": AuditEvent.objects.filter(**mine).order_by("at", "pk"),
    }


def _write_images(organization: Organization, writing: _Writing) -> None:
    for image in Image.objects.filter(notebook__organization=organization).iterator(CHUNK):
        ending = re.sub(r"[^a-z0-9]", "", Path(str(image.file.name)).suffix.lower()) or "bin"
        try:
            stored = default_storage.open(str(image.file.name), "rb")
        except FileNotFoundError:
            continue
        with stored:
            writing.pieces(f"images/{image.pk}.{ending}", stored.chunks())
