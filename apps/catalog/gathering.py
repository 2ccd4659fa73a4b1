"""Bring the files of an import together in one folder, from the byte where an earlier worker ended.

A file that is not complete is called <name>.part; it gets its name when its checksum was compared.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.catalog import folders, hub, outlook
from apps.catalog.models import ModelImport
from apps.catalog.outlook import ModelRefused, WantedFile

TELL_EVERY_S = 1.0
SLICE_S = 1200.0  # a task that takes longer would be given to a second worker by the broker
PIECE_BYTES = 1 << 20
SPEED_OVER_S = 10.0  # the speed is that of about so many last seconds


class Withdrawn(Exception):
    """Nobody wants it any more, or others are at it."""


class Paused(Exception):
    """Long enough for one task; another one goes on."""


class ChecksumDiffers(ModelRefused):
    """A file is not the one that was promised."""

    def __init__(self, name: str) -> None:
        super().__init__(
            _(
                "%(name)s arrived with another checksum than its source names: it was damaged or exchanged "
                "on its way. The file was thrown away; the others are kept. Fetch it again."
            )
            % {"name": name}
        )


@dataclass(kw_only=True)
class Gathering:
    """An import at work: where its files go, and what was told of it."""

    one: ModelImport
    folder: Path
    brought: int = 0  # bytes since this worker began
    _done: int = 0
    _began_at: float = field(default_factory=time.monotonic)
    _told_at: float = 0.0
    _counted_at: float = field(default_factory=time.monotonic)
    _counted: int = 0  # bytes since then
    _speed: float | None = None

    @property
    def rest_bytes(self) -> int:
        """Return how much is still to come."""
        return max(0, self.one.size_bytes - self._done)

    def have(self, count: int) -> None:
        """Count bytes that are there (or, below zero, are gone again)."""
        self._done += count

    def got(self, count: int) -> None:
        """Count bytes that have just come."""
        self.brought += count
        self._counted += count
        self.have(count)
        self.alive()

    def alive(self) -> None:
        """Say once a second how far it is; Withdrawn when it is not ours any more, Paused in time."""
        now = time.monotonic()
        if self._told_at and now - self._told_at < TELL_EVERY_S:
            return
        self._told_at = now
        self._measure(now)
        ours = ModelImport.objects.filter(
            pk=self.one.pk, holder=self.one.holder, status=ModelImport.Status.RUNNING
        )
        if not ours.update(
            done_bytes=max(0, self._done), bytes_per_s=self._speed, moved_at=timezone.now()
        ):
            raise Withdrawn
        if now - self._began_at > SLICE_S:
            raise Paused

    def _measure(self, now: float) -> None:
        passed = now - self._counted_at
        if passed < TELL_EVERY_S / 2:
            return
        speed = self._counted / passed
        weight = min(1.0, passed / SPEED_OVER_S)
        self._speed = speed if self._speed is None else self._speed + weight * (speed - self._speed)
        self._counted, self._counted_at = 0, now


def gather(work: Gathering) -> None:
    """Bring all files of the import into its folder, each compared with its checksum.

    Raises:
        Withdrawn, Paused: See there.
        HubUnreachable: The hub does not answer now.
        ChecksumDiffers, ModelRefused: A file is not what was promised.
    """
    work.folder.mkdir(parents=True, exist_ok=True)
    files = [WantedFile(**entry) for entry in work.one.files]
    for file in files:
        work.have(_present(work.folder, file))
    outlook.refuse_without_room(work.rest_bytes)
    work.alive()
    for file in files:
        if not (work.folder / file.name).is_file():
            _bring(work, file)


def _present(folder: Path, file: WantedFile) -> int:
    """Return how many bytes of the file are there already."""
    for path in (folder / file.name, _part(folder, file)):
        if path.is_file():
            return path.stat().st_size
    return 0


def _part(folder: Path, file: WantedFile) -> Path:
    return folder / f"{file.name}.part"


def _bring(work: Gathering, file: WantedFile) -> None:
    part = _part(work.folder, file)
    begin = part.stat().st_size if part.is_file() else 0
    if begin > file.size_bytes:
        begin = _empty(work, part)
    if begin < file.size_bytes or not part.is_file():
        _append(work, file, begin)
    if part.stat().st_size != file.size_bytes or not _is_right(work, file, part):
        _empty(work, part)
        raise ChecksumDiffers(file.name)
    part.rename(work.folder / file.name)


def _append(work: Gathering, file: WantedFile, begin: int) -> None:
    """Write what is missing, never more than the file was said to have."""
    part = _part(work.folder, file)
    with _source(work.one, file.name, begin) as (really_from, pieces):
        if really_from != begin:
            _empty(work, part)
        length = really_from
        with part.open("ab") as target:
            for piece in pieces:
                length += len(piece)
                if length > file.size_bytes:
                    break
                target.write(piece)
                work.got(len(piece))
    if length > file.size_bytes:
        _empty(work, part)
        raise ChecksumDiffers(file.name)
    if length < file.size_bytes and work.one.source == ModelImport.Source.HUB:
        raise hub.HubUnreachable(
            _("%(hub)s stopped in the middle of a file.") % {"hub": hub.host()}
        )


@contextmanager
def _source(one: ModelImport, name: str, begin: int) -> Iterator[tuple[int, Iterator[bytes]]]:
    if one.source == ModelImport.Source.FOLDER:
        yield begin, folders.pieces(Path(one.origin), name, begin=begin)
    else:
        with hub.opened(one.origin, one.revision, name, begin=begin) as opened:
            yield opened


def _empty(work: Gathering, part: Path) -> int:
    """Throw the file away; return how many bytes are left of it."""
    if part.is_file():
        work.have(-part.stat().st_size)
        part.unlink()
    return 0


def _is_right(work: Gathering, file: WantedFile, part: Path) -> bool:
    """Compare the file with its checksum; one from a folder that names none, with the original."""
    if file.sha256:
        return _hash(work, _read(part), hashlib.sha256()) == file.sha256
    if file.blob_sha1:  # git's own: of the length and the content
        begin = hashlib.sha1(f"blob {file.size_bytes}\0".encode(), usedforsecurity=False)
        return _hash(work, _read(part), begin) == file.blob_sha1
    original = folders.pieces(Path(work.one.origin), file.name, begin=0)
    return _hash(work, _read(part), hashlib.sha256()) == _hash(work, original, hashlib.sha256())


def _hash(work: Gathering, pieces: Iterator[bytes], digest: "hashlib._Hash") -> str:
    for piece in pieces:
        digest.update(piece)
        work.alive()
    return digest.hexdigest()


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
