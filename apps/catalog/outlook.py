"""What is known of a model before it is fetched, and whether it can be used here at all."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from apps.core.errors import DomainError
from inferencecloud.artifacts import intake
from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.engine import families

DISK_RESERVE_BYTES = 512 * 1024 * 1024  # what stays free for everything else
CONTEXT_LEAST = 256  # below, there is no room for a brief and its text
CONTEXT_SHARE = 0.9  # of the memory of keys and values: pages of it are rounded up


class ModelRefused(DomainError):
    """A model cannot be added; the words say why, and what would do."""


@dataclass(frozen=True, kw_only=True)
class WantedFile:
    """A file to fetch, and how one knows that it is the right one."""

    name: str
    size_bytes: int
    sha256: str = ""
    blob_sha1: str = ""  # git's hash, which hubs give for small files


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A model that could be added."""

    source: str
    origin: str
    revision: str
    name: str
    licence: str
    config: Mapping[str, Any]
    files: tuple[WantedFile, ...]
    parameters: int | None

    @property
    def size_bytes(self) -> int:
        """Return how much there is to fetch."""
        return sum(file.size_bytes for file in self.files)

    @property
    def architecture(self) -> str:
        """Return what kind of model it is, as its settings name it."""
        return str((self.config.get("architectures") or [""])[0])[:80]

    @property
    def form(self) -> families.Form:
        """Return how the engine runs it."""
        return families.form_of(self.config)

    @property
    def context_possible(self) -> int:
        """Return how many tokens the model could read and write in all."""
        return families.context_of(self.config)

    @property
    def context_tokens(self) -> int:
        """Return how many are used here: as many as ENGINE_KV_MEMORY_MB has room for."""
        return context_here(self.config)


def context_here(config: Mapping[str, Any]) -> int:
    """Return the context of a model on this machine, in tokens."""
    possible = families.context_of(config)
    each = families.kv_bytes_per_token(config)
    if not each:
        return possible
    room = int(settings.ENGINE_KV_MEMORY_MB * 1024 * 1024 * CONTEXT_SHARE) // each
    return possible if possible <= room else room - room % 64


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """Return which of the files are taken; ModelRefused when they make no model."""
    try:
        return intake.choose(names).names
    except ArtifactError as problem:
        raise ModelRefused(str(problem)) from problem


def refuse_code(*about: Mapping[str, Any]) -> None:
    """Raise ModelRefused where the settings ask for program code of the model's own."""
    try:
        intake.refuse_code(*about)
    except ArtifactError as problem:
        raise ModelRefused(str(problem)) from problem


def refuse_unusable(outlook: Outlook) -> None:
    """Raise ModelRefused for what cannot run here, or has no room."""
    if outlook.form == families.Form.NONE:
        raise ModelRefused(
            _(
                "This model is of the kind “%(kind)s”, which does not write text here. Wanted one that "
                "continues texts (Llama, Mistral, Qwen, Gemma, GPT-2 and others of transformers)."
            )
            % {"kind": outlook.architecture or outlook.config.get("model_type") or "?"}
        )
    if outlook.context_tokens < CONTEXT_LEAST:
        raise ModelRefused(
            _(
                "This model could read only %(got)s tokens at once here; wanted %(wanted)s at least. More "
                "memory for it (ENGINE_KV_MEMORY_MB) helps, where the model itself can read more."
            )
            % {"got": outlook.context_tokens, "wanted": CONTEXT_LEAST}
        )
    refuse_without_room(outlook.size_bytes)


def refuse_without_room(needed_bytes: int) -> None:
    """Raise ModelRefused where the disk of DATA_DIR has no room for so much."""
    base = Path(settings.DATA_DIR)
    base.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(base).free
    if needed_bytes + DISK_RESERVE_BYTES > free:
        raise ModelRefused(
            _(
                "This model takes %(size)s on disk and %(reserve)s stay free for everything else, but only "
                "%(free)s are left. Make room under DATA_DIR, or take a smaller model."
            )
            % {
                "size": as_size(needed_bytes),
                "reserve": as_size(DISK_RESERVE_BYTES),
                "free": as_size(free),
            }
        )


def as_size(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
