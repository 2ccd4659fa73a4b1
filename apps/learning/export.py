"""Pack what may be learned from as TRL reads it: JSON lines, where each comes from, and a manifest.

    train/sft.jsonl   {"prompt": [...], "completion": [...]}            and so in valid/ and test/
    train/dpo.jsonl   {"prompt": [...], "chosen": [...], "rejected": [...]}
    train/kto.jsonl   {"prompt": [...], "completion": [...], "label": true}
    train/sft.provenance.jsonl  line n says where line n of train/sft.jsonl comes from
    manifest.json     hashes, counts, and what has not been done: no scrubbing, no review

A file without lines is left out, for `datasets` reads none. The same data gives the same bytes: times are
those of the data, never of the packing.
"""

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from django.db.models import QuerySet

from apps.inference.models import Output
from apps.learning import edit_classes, rules
from apps.learning.evidence import Evidence
from apps.learning.rules import ChatMessage, Example, Kind
from apps.organizations.models import Organization

DAWN = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can name
READ_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Package:
    """The zip, at its beginning, and what is in it."""

    file: IO[bytes]
    sha256: str
    size_bytes: int
    rows: dict[str, int]  # by the name of a file of examples


@dataclass
class _Files:
    """The files while they are being written, and their hashes."""

    folder: Path
    hashes: dict[str, Any] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    _open: dict[str, IO[bytes]] = field(default_factory=dict)

    def add(self, name: str, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if name not in self._open:
            self._path(name).parent.mkdir(exist_ok=True)
            self._open[name] = self._path(name).open("wb")
            self.hashes[name] = hashlib.sha256()
        self._open[name].write(line)
        self.hashes[name].update(line)
        self.rows[name] += 1

    def listed(self) -> dict[str, dict[str, Any]]:
        return {
            name: {"sha256": self.hashes[name].hexdigest(), "rows": self.rows[name]}
            for name in sorted(self.hashes)
        }

    def pack(self, archive: zipfile.ZipFile) -> None:
        for name in sorted(self._open):
            self._open[name].close()
            info = _entry(name)
            with archive.open(info, "w") as target, self._path(name).open("rb") as source:
                while piece := source.read(READ_BYTES):
                    target.write(piece)

    def _path(self, name: str) -> Path:
        return self.folder / name


def pack(
    organization: Organization,
    outputs: QuerySet[Output],
    *,
    asked: dict[str, str],
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> Package:
    """Return the zip of what the outputs teach; whoever gets it closes its file.

    Args:
        organization: whose outputs they are.
        outputs: which ones.
        asked: the filter by which they were found, for the manifest.
        tell: is told now and then how many outputs were looked at, and of how many; may raise to end it.
    """
    evidence = Evidence(organization, tell=tell)
    with TemporaryDirectory() as folder:
        files = _Files(folder=Path(folder))
        for line in evidence.lines(outputs):
            name = f"{line.split}/{line.example.kind}"
            files.add(f"{name}.jsonl", row_of(line.example))
            files.add(f"{name}.provenance.jsonl", line.provenance)
        manifest = _manifest(evidence, files, asked=asked)
        return _zipped(files, manifest)


def row_of(example: Example) -> dict[str, Any]:
    """Return the example with exactly the columns that TRL knows for its kind."""
    row: dict[str, Any] = {"prompt": [_turn(one) for one in example.prompt]}
    answer = [_turn(ChatMessage(role="assistant", content=example.chosen))]
    if example.kind is Kind.DPO:
        rejected = [_turn(ChatMessage(role="assistant", content=example.rejected))]
        return row | {"chosen": answer, "rejected": rejected}
    row["completion"] = answer
    return row | {"label": example.label} if example.kind is Kind.KTO else row


def spec(asked: dict[str, str]) -> dict[str, Any]:
    """Return everything that decides which examples come out of the same data."""
    return {
        "filter": asked,
        "untouched_until": rules.UNTOUCHED_UNTIL,
        "pair_from": rules.PAIR_FROM,
        "pair_until": rules.PAIR_UNTIL,
        "weights": {"strong": rules.STRONG, "weak": rules.WEAK},
        "splits": rules.SPLIT_SHARES,
        "split_salt": rules.SPLIT_SALT,
        "edit_classes": {
            "length_ratio": edit_classes.LENGTH_RATIO,
            "one_way": edit_classes.ONE_WAY,
            "same_words": edit_classes.SAME_WORDS,
            "terms_limit": edit_classes.TERMS_LIMIT,
        },
    }


def _turn(message: ChatMessage) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _manifest(evidence: Evidence, files: _Files, *, asked: dict[str, str]) -> dict[str, Any]:
    decided = spec(asked)
    splits = dict.fromkeys(rules.SPLIT_SHARES, 0)
    for name, rows in _examples(files).items():
        splits[name.partition("/")[0]] += rows
    return {
        "dataset": evidence.organization.slug,
        "version": None,  # nothing is frozen yet: a later download may hold other examples
        "spec_sha": hashlib.sha256(_json(decided)).hexdigest(),
        "spec": decided,
        "files": files.listed(),
        "splits": splits,
        "left_out": dict(sorted(evidence.left_out.items())),
        "pii": {"scanner": None, "hits_replaced": None},
        "review": None,
        "created_at": evidence.until.isoformat() if evidence.until else None,  # of the newest fact
    }


def _zipped(files: _Files, manifest: dict[str, Any]) -> Package:
    file = TemporaryFile()  # noqa: SIM115  (closed by who sends it)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("manifest.json"), json.dumps(manifest, indent=2) + "\n")
        files.pack(archive)
    size = file.tell()
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return Package(file=file, sha256=digest, size_bytes=size, rows=_examples(files))


def _examples(files: _Files) -> dict[str, int]:
    """Return the rows of the files that are trained on."""
    return {
        name: rows
        for name, rows in sorted(files.rows.items())
        if not name.endswith(".provenance.jsonl")
    }


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DAWN)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
