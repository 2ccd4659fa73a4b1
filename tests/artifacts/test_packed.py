"""Packed weights: written once, mapped ever after, refused when they are not what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from inferencecloud.artifacts.packed import PackedFile, PackedMalformed, read_packed, write_packed

TENSORS = {
    "odd": torch.arange(5, dtype=torch.bfloat16),
    "a.panels": torch.arange(256, dtype=torch.uint8).view(2, 128),
    "a.row_scale": torch.rand(32),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "packed.safetensors"
    packed = PackedFile(bits=4, parameters=99, layers={"a": {"bits": 4}}, tensors=TENSORS)
    write_packed(path, packed)
    return path


def test_what_was_written_is_read(path: Path) -> None:
    packed = read_packed(path)
    assert (packed.bits, packed.parameters, packed.layers) == (4, 99, {"a": {"bits": 4}})
    assert packed.tensors.keys() == TENSORS.keys()
    for name, tensor in packed.tensors.items():
        assert tensor.dtype == TENSORS[name].dtype
        assert torch.equal(tensor, TENSORS[name])


def test_weights_are_mapped_at_whole_cache_lines(path: Path) -> None:
    packed = read_packed(path)
    assert str(path) in Path("/proc/self/maps").read_text()
    assert packed.tensors["a.panels"].data_ptr() % 64 == 0
    assert packed.tensors["a.row_scale"].data_ptr() % 64 == 0


def test_any_reader_of_safetensors_opens_it(path: Path) -> None:
    with safe_open(str(path), framework="pt") as file:
        assert file.metadata()["version"] == "1"
        assert torch.equal(file.get_tensor("a.panels"), TENSORS["a.panels"])


def test_a_type_without_a_place_is_refused(tmp_path: Path) -> None:
    packed = PackedFile(bits=8, parameters=1, layers={}, tensors={"x": torch.zeros(1).double()})
    with pytest.raises(PackedMalformed, match=r"x torch\.float64"):
        write_packed(tmp_path / "packed.safetensors", packed)


def _with_header(path: Path, change: Callable[[dict], object]) -> None:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda header: header.pop("__metadata__"), "wanted inferencecloud.packed 1, got None"),
        (lambda header: header["__metadata__"].update(version="2"), "got inferencecloud.packed 2"),
        (lambda header: header["__metadata__"].pop("bits"), "bits"),
        (lambda header: header["__metadata__"].update(layers="{"), "header is wrong"),
        (lambda header: header["odd"].update(dtype="F64"), "F64"),
        (lambda header: header["odd"].update(shape=[7]), "header is wrong"),
        (lambda header: header["odd"].update(data_offsets=[0, 1 << 40]), "offsets"),
        (lambda header: header["odd"].update(data_offsets=[-10, 0]), "offsets"),
        (lambda header: header["odd"].pop("shape"), "shape"),
    ],
)
def test_a_header_that_is_wrong_is_refused(
    path: Path, change: Callable[[dict], object], problem: str
) -> None:
    _with_header(path, change)
    with pytest.raises(PackedMalformed, match=problem):
        read_packed(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "0 of 0 bytes"),
        (b"\xff" * 40, "of 40 bytes"),
        (b"\x04" + b"\0" * 7 + b"nono", "no JSON"),
        (b"\x02" + b"\0" * 7 + b"[]", "no JSON object"),
    ],
)
def test_a_file_of_something_else_is_refused(path: Path, content: bytes, problem: str) -> None:
    path.write_bytes(content)
    with pytest.raises(PackedMalformed, match=problem):
        read_packed(path)
