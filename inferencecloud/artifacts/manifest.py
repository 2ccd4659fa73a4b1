"""What a model on disk is: a folder in the Hugging Face layout, with a manifest of its files.

Weights are safetensors only, and code inside an artifact is never run: an artifact that asks for it is
refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inferencecloud.artifacts.errors import ArtifactError

MANIFEST_NAME = "manifest.json"
MANIFEST_FORMAT = 1

# Files that can carry code or pickles; an artifact has none of them.
_DANGEROUS_SUFFIXES = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth", ".py", ".so"})
_READ_SIZE_BYTES = 1 << 20


class ManifestMissing(ArtifactError):
    """The folder has no manifest."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"Wanted a model at {folder}, but there is no {MANIFEST_NAME} in it.")


class ManifestMalformed(ArtifactError):
    """The manifest cannot be understood."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(f"The {MANIFEST_NAME} of {folder.name} cannot be used: {problem}.")


class FileMissing(ArtifactError):
    """A file that the manifest lists is not there."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(
            f"The model {folder.name} lacks the file {name}, which its manifest lists."
        )


class FileTampered(ArtifactError):
    """A file is not the one that the manifest describes."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(
            f"The file {name} of the model {folder.name} is not the one in its manifest "
            "(the sha256 differs): it was damaged or changed."
        )


class FileUnlisted(ArtifactError):
    """The folder holds a file that the manifest does not list and that a loader would read."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(f"The model {folder.name} holds {name}, which its manifest does not list.")


class CodeRefused(ArtifactError):
    """The artifact would run code of its own, or carries weights that could."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(
            f"The model {folder.name} carries {what}. Only safetensors and plain configuration are "
            "loaded; code from a model is never run."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of an artifact."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an artifact says about itself."""

    name: str
    architecture: str  # as in config.json: "LlamaForCausalLM"
    dtype: str  # of the weights: "bfloat16"
    parameters: int
    context_tokens: int
    has_chat_template: bool
    licence: str
    files: Mapping[str, FileEntry]
    format: int = MANIFEST_FORMAT

    def __post_init__(self) -> None:
        if self.format != MANIFEST_FORMAT:
            raise ValueError(f"wanted format {MANIFEST_FORMAT}, got {self.format}")
        if self.context_tokens < 1 or self.parameters < 1:
            raise ValueError("context_tokens and parameters must be at least 1")
        if not any(name.endswith(".safetensors") for name in self.files):
            raise ValueError("it lists no safetensors file")
        for name in self.files:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise ValueError(f"the file name {name!r} leads out of the folder")

    @property
    def digest(self) -> str:
        """Return a hash that changes when anything of the artifact changes."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Return the manifest as it stands on disk."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A model on disk that was read, and verified where `verified` says so."""

    folder: Path
    manifest: Manifest


def describe(
    folder: Path, *, name: str, licence: str, context_tokens: int | None = None
) -> Manifest:
    """Return the manifest of a folder from its files, without writing it.

    Args:
        folder: where the files lie.
        name: what the model is called.
        licence: the one it is under.
        context_tokens: how many it is to read and write in all, where not as many as it could.

    Raises:
        FileMissing: There is no config.json, or no weights.
        CodeRefused: It carries code or pickled weights.
    """
    config = _read_config(folder)
    _refuse_code(folder, config)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise FileMissing(folder, "model.safetensors")
    dtypes, parameters = _weigh(weights)
    return Manifest(
        name=name,
        architecture=_architecture(folder, config),
        dtype=dtypes,
        parameters=parameters,
        context_tokens=context_tokens
        or int(config.get("max_position_embeddings") or config.get("n_positions") or 0),
        has_chat_template=_has_chat_template(folder),
        licence=licence,
        files={path.name: _describe_file(path) for path in _files_of(folder)},
    )


def write_manifest(
    folder: Path, *, name: str, licence: str, context_tokens: int | None = None
) -> Artifact:
    """Describe the folder and write its manifest."""
    manifest = describe(folder, name=name, licence=licence, context_tokens=context_tokens)
    (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return Artifact(folder=folder, manifest=manifest)


def read_artifact(folder: Path) -> Artifact:
    """Return the artifact in the folder by its manifest, its files unread.

    Raises:
        ManifestMissing: There is no manifest.
        ManifestMalformed: The manifest lacks something, or says something that we do not know.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise ManifestMissing(folder)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        files = {name: FileEntry(**entry) for name, entry in fields.pop("files").items()}
        manifest = Manifest(files=files, **fields)
    except json.JSONDecodeError as error:
        raise ManifestMalformed(folder, f"it is no JSON ({error.msg})") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ManifestMalformed(folder, str(error)) from error
    return Artifact(folder=folder, manifest=manifest)


def verify_artifact(folder: Path) -> Artifact:
    """Return the artifact after comparing every file with the manifest.

    Raises:
        FileMissing: A listed file is not there.
        FileTampered: A listed file has other contents.
        FileUnlisted: There is a file that nobody vouches for.
        CodeRefused: It carries code or pickled weights.
    """
    artifact = read_artifact(folder)
    _refuse_code(folder, _read_config(folder))
    for name, entry in artifact.manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise FileMissing(folder, name)
        if _describe_file(path) != entry:
            raise FileTampered(folder, name)
    for path in _files_of(folder):
        if path.name not in artifact.manifest.files:
            raise FileUnlisted(folder, path.name)
    return artifact


def _files_of(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.name != MANIFEST_NAME and not path.name.startswith(".")
    )


def _describe_file(path: Path) -> FileEntry:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_SIZE_BYTES):
            digest.update(piece)
    return FileEntry(sha256=digest.hexdigest(), size_bytes=path.stat().st_size)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise FileMissing(folder, "config.json")
    return _read_json(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ManifestMalformed(path.parent, f"{path.name} is no JSON ({error.msg})") from error
    if not isinstance(values, dict):
        raise ManifestMalformed(path.parent, f"{path.name} is no JSON object")
    return values


def _refuse_code(folder: Path, config: Mapping[str, Any]) -> None:
    settings = folder / "tokenizer_config.json"
    asks = "auto_map" in config or (settings.is_file() and "auto_map" in _read_json(settings))
    if asks:
        raise CodeRefused(folder, "an auto_map, which asks to run code")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _DANGEROUS_SUFFIXES:
            raise CodeRefused(folder, f"the file {path.name}")


def _architecture(folder: Path, config: Mapping[str, Any]) -> str:
    architectures = config.get("architectures")
    if not isinstance(architectures, list) or not architectures:
        raise ManifestMalformed(folder, "config.json names no architecture")
    return str(architectures[0])


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    settings = folder / "tokenizer_config.json"
    return settings.is_file() and "chat_template" in json.loads(
        settings.read_text(encoding="utf-8")
    )


def _weigh(weights: list[Path]) -> tuple[str, int]:
    """Return the one dtype, or "mixed", and the number of parameters, from the headers alone."""
    names = {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "I8": "int8", "U8": "uint8"}
    found: set[str] = set()
    parameters = 0
    for path in weights:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        about = header.pop("__metadata__", {})
        if about.get("format") == "inferencecloud.packed":  # panels hold more than the weights
            found.add(f"int{about['bits']}")
            parameters += int(about["parameters"])
            continue
        for tensor in header.values():
            found.add(names.get(tensor["dtype"], tensor["dtype"]))
            count = 1
            for size in tensor["shape"]:
                count *= size
            parameters += count
    return (found.pop() if len(found) == 1 else "mixed"), parameters
