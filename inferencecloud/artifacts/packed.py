"""A file of weights that are laid out for the machine: safetensors, mapped into memory, never copied.

It is a safetensors file that any reader opens; its metadata says what the packed layers are. Data begin at
multiples of 64 bytes, so that vectors of a CPU do not straddle its cache lines.

Metadata: format ("inferencecloud.packed"), version, bits, parameters (of the model before it was packed) and
layers, a JSON object that gives each packed layer's fields. The tensors of layer x are x.panels, x.row_scale
and, where it has one, x.bias; all others are as in the model that it was made from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inferencecloud.artifacts.errors import ArtifactError

FORMAT = "inferencecloud.packed"
VERSION = 1
FILE_NAME = "packed.safetensors"

_ALIGNMENT = 64
_NAMES = {
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
}
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}


class PackedMalformed(ArtifactError):
    """A file of packed weights cannot be used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"The packed weights in {path.name} cannot be used: {problem}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedFile:
    """What a file of packed weights holds."""

    bits: int
    parameters: int
    layers: Mapping[str, Mapping[str, Any]]  # name: fields of the layer's shape
    tensors: Mapping[str, Tensor]  # views of the file where it was read


def write_packed(path: Path, packed: PackedFile) -> None:
    """Write the file.

    Raises:
        PackedMalformed: A tensor's type has no place in it.
    """
    # Those that fill whole lines stand first, so that none of them begins within one.
    names = sorted(
        packed.tensors, key=lambda name: (packed.tensors[name].nbytes % _ALIGNMENT, name)
    )
    header: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "version": str(VERSION),
            "bits": str(packed.bits),
            "parameters": str(packed.parameters),
            "layers": json.dumps(packed.layers, sort_keys=True),
        }
    }
    at = 0
    for name in names:
        tensor = packed.tensors[name]
        if tensor.dtype not in _NAMES:
            raise PackedMalformed(
                path, f"wanted one of {sorted(_DTYPES)}, got {name} {tensor.dtype}"
            )
        header[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    text = json.dumps(header, sort_keys=False).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            file.write(packed.tensors[name].contiguous().view(torch.uint8).numpy().tobytes())


def read_packed(path: Path) -> PackedFile:
    """Return what the file holds, its tensors mapped: a page is read when it is first used.

    Raises:
        PackedMalformed: It is no such file, another version, or its header leads out of it.
    """
    size = path.stat().st_size
    header, begin = _read_header(path, size)
    about = header.pop("__metadata__", {})
    if about.get("format") != FORMAT or about.get("version") != str(VERSION):
        got = f"{about.get('format')} {about.get('version')}"
        raise PackedMalformed(path, f"wanted {FORMAT} {VERSION}, got {got}")
    whole = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    try:
        return PackedFile(
            bits=int(about["bits"]),
            parameters=int(about["parameters"]),
            layers=json.loads(about["layers"]),
            tensors={name: _view(whole[begin:], **entry) for name, entry in header.items()},
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise PackedMalformed(path, f"its header is wrong ({error})") from error


def _read_header(path: Path, size: int) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            raise PackedMalformed(path, f"its header would have {length} of {size} bytes")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise PackedMalformed(path, f"its header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise PackedMalformed(path, "its header is no JSON object")
    return header, 8 + length


def _view(data: Tensor, *, dtype: str, shape: list[int], data_offsets: list[int]) -> Tensor:
    begin, end = data_offsets
    if not 0 <= begin <= end <= len(data):
        raise ValueError(f"wanted offsets within {len(data)} bytes, got {begin} to {end}")
    return data[begin:end].view(_DTYPES[dtype]).view(shape)
