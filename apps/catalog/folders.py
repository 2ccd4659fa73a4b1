"""Models in folders on the server: only beneath the folders that the settings name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from apps.catalog import outlook
from apps.catalog.models import ModelImport
from apps.catalog.outlook import ModelRefused, Outlook, WantedFile
from inferencecloud.artifacts import intake
from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import Manifest, read_artifact

CARD_LICENCE = re.compile(r"^license(?:_name)?:\s*[\"']?([\w.+-]+)", re.MULTILINE)
SHOWN = 20  # folders that the page offers


def roots() -> list[Path]:
    """Return the folders beneath which models may lie; the default one is made."""
    if settings.MODEL_FOLDERS:
        return [Path(one).resolve() for one in settings.MODEL_FOLDERS]
    default = Path(settings.DATA_DIR).resolve() / "models" / "incoming"
    default.mkdir(parents=True, exist_ok=True)
    return [default]


def offered() -> list[Path]:
    """Return the folders with settings of a model in them, by name."""
    found = [
        folder
        for root in roots()
        if root.is_dir()
        for folder in root.iterdir()
        if (folder / "config.json").is_file()
    ]
    return sorted(found)[:SHOWN]


def folder_at(text: str) -> Path:
    """Return the folder that somebody named, by its whole path or from one of the roots on.

    Raises:
        ModelRefused: It is not there, or lies elsewhere (a link that leads out does).
    """
    for root in roots():
        folder = (root / text).resolve()
        if folder != root and folder.is_relative_to(root) and folder.is_dir():
            return folder
    raise ModelRefused(
        _("Wanted a folder beneath %(roots)s, got %(text)s. Put the model's folder there first.")
        % {"roots": ", ".join(map(str, roots())), "text": text}
    )


def look(text: str) -> Outlook:
    """Return what lies in the folder.

    Raises:
        ModelRefused: It is no folder of ours, or what is in it is no model that can be used here.
    """
    folder = folder_at(text)
    names = outlook.chosen(path.name for path in folder.iterdir() if path.is_file())
    for name in names:
        _refuse_elsewhere(folder / name)
    config = _settings(folder / "config.json")
    tokenizer = folder / "tokenizer_config.json"
    outlook.refuse_code(config, _settings(tokenizer) if tokenizer.name in names else {})
    for path in _weights(folder, names):
        try:
            intake.check_weights(path)
        except ArtifactError as problem:
            raise ModelRefused(str(problem)) from problem
    manifest = _manifest(folder)
    known = {} if manifest is None else manifest.files
    return Outlook(
        source=ModelImport.Source.FOLDER,
        origin=str(folder),
        revision="",
        name=folder.name[:80],
        licence=manifest.licence if manifest else _licence(folder),
        config=config,
        files=tuple(
            WantedFile(
                name=name,
                size_bytes=(folder / name).stat().st_size,
                sha256=known[name].sha256 if name in known else "",
            )
            for name in names
        ),
        parameters=manifest.parameters if manifest else None,
    )


def pieces(folder: Path, name: str, *, begin: int) -> Iterator[bytes]:
    """Yield a file's bytes from `begin` on.

    Raises:
        ModelRefused: It leads elsewhere by now.
    """
    path = folder_at(str(folder)) / name
    _refuse_elsewhere(path)
    with path.open("rb") as file:
        file.seek(begin)
        while piece := file.read(1 << 20):
            yield piece


def _refuse_elsewhere(path: Path) -> None:
    if not any(path.resolve().is_relative_to(root) for root in roots()):
        raise ModelRefused(
            _("%(name)s is a link that leads out of the folders for models.") % {"name": path.name}
        )


def _weights(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [folder / name for name in names if name.endswith(".safetensors")]


def _settings(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelRefused(_("%(name)s is no JSON.") % {"name": path.name}) from error
    if not isinstance(values, dict):
        raise ModelRefused(_("%(name)s is no JSON object.") % {"name": path.name})
    return values


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_artifact(folder).manifest
    except ArtifactError:  # most folders have none: then nothing vouches for their files
        return None


def _licence(folder: Path) -> str:
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    said = CARD_LICENCE.search(text) if text.startswith("---") else None
    return said[1][:60] if said else ""
