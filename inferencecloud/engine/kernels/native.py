"""Find and load the compiled kernels; without them torch does the same work, slower.

`ENGINE_KERNELS` in the environment chooses where to compute: `torch`, or an instruction path of the machine.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch

from inferencecloud.engine.errors import EngineError
from inferencecloud.engine.kernels import build

TORCH = "torch"  # the path that is always there
PORTABLE = "portable"  # compiled for every machine: to be right, not fast

_log = logging.getLogger(__name__)


class InstructionPathUnknown(EngineError, ValueError):
    """This machine does not have the instruction path."""

    def __init__(self, got: str, known: tuple[str, ...]) -> None:
        super().__init__(
            f"Wanted a path of this machine to compute on ({', '.join(known)}), got {got}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """What computes: our compiled kernels on an instruction path, or torch."""

    path: str  # in use
    paths: tuple[str, ...]  # what this machine has, the fastest first, torch last
    why_not: str = ""  # why there are no compiled kernels

    @property
    def is_native(self) -> bool:
        """Tell whether compiled kernels are in use."""
        return self.path != TORCH


@dataclass(slots=True)
class _Choice:
    """The path in use."""

    path: str | None = None


_choice = _Choice()


def available() -> Availability:
    """Return what computes; the first call loads the library."""
    if _choice.path is None:
        use_path(os.environ.get("ENGINE_KERNELS", "") or _load().path)
    return replace(_load(), path=_choice.path or TORCH)


def is_native() -> bool:
    """Tell whether compiled kernels are in use; cheap enough for every call."""
    return (_choice.path or available().path) != TORCH


def use_path(name: str) -> None:
    """Compute on the path from now on.

    Raises:
        InstructionPathUnknown: This machine does not have it.
    """
    paths = _load().paths
    if name not in paths:
        raise InstructionPathUnknown(name, paths)
    if name != TORCH:
        torch.ops.inferencecloud.use_path(name)
    _choice.path = name


@cache
def _load() -> Availability:
    path = build.library()
    if not path.is_file():
        return _fall_back(_missing(path))
    try:
        torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
        paths = tuple(torch.ops.inferencecloud.supported_paths())
    except (OSError, AttributeError, RuntimeError) as error:
        return _fall_back(f"{path.name} does not load ({error})")
    return Availability(path=paths[0], paths=(*paths, TORCH))


def _missing(path: Path) -> str:
    others = sorted(each.name for each in build.FOLDER.glob("kernels-*.so"))
    if others:
        return f"{', '.join(others)} was made for other sources, or another torch than {torch.__version__}"
    return f"there is no {path.name}, which set-up makes where there is a C++ compiler"


def _fall_back(why: str) -> Availability:
    _log.warning("Models are computed by torch alone, which is slower: %s.", why)
    return Availability(path=TORCH, paths=(TORCH,), why_not=why)
