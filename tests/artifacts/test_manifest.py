"""An artifact is what its manifest says, or it is refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from inferencecloud.artifacts.errors import ArtifactError
from inferencecloud.artifacts.manifest import (
    CodeRefused,
    FileMissing,
    FileTampered,
    FileUnlisted,
    ManifestMalformed,
    ManifestMissing,
    describe,
    read_artifact,
    verify_artifact,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    config = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 64}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    save_file({"w": torch.zeros(2, 3, dtype=torch.bfloat16)}, str(folder / "model.safetensors"))
    return folder


def test_a_manifest_says_what_the_model_is(folder: Path) -> None:
    written = write_manifest(folder, name="Writer", licence="MIT-0")
    manifest = verify_artifact(folder).manifest
    assert manifest == written.manifest == read_artifact(folder).manifest
    assert manifest.architecture == "LlamaForCausalLM"
    assert (manifest.dtype, manifest.parameters, manifest.context_tokens) == ("bfloat16", 6, 64)
    assert manifest.has_chat_template
    assert set(manifest.files) == {"config.json", "chat_template.jinja", "model.safetensors"}


def test_the_digest_changes_with_any_file(folder: Path) -> None:
    before = describe(folder, name="Writer", licence="MIT-0").digest
    (folder / "chat_template.jinja").write_text("{{ messages }} ")
    assert describe(folder, name="Writer", licence="MIT-0").digest != before


def test_a_template_inside_the_tokenizer_settings_counts(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    assert not describe(folder, name="w", licence="x").has_chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "x"}))
    assert describe(folder, name="w", licence="x").has_chat_template


def test_weights_of_several_kinds_are_mixed(folder: Path) -> None:
    save_file({"v": torch.zeros(4)}, str(folder / "more.safetensors"))
    assert describe(folder, name="w", licence="x").dtype == "mixed"


def _flip_a_bit(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_flip_a_bit, FileTampered),
        (
            lambda folder: (folder / "config.json").write_text('{"architectures": ["X"]}'),
            FileTampered,
        ),
        (lambda folder: (folder / "model.safetensors").unlink(), FileMissing),
        (lambda folder: (folder / "config.json").unlink(), FileMissing),
        (lambda folder: (folder / "generation_config.json").write_text("{}"), FileUnlisted),
        (lambda folder: (folder / "modeling.py").write_text("import os"), CodeRefused),
        (lambda folder: (folder / "pytorch_model.bin").write_bytes(b"\x80"), CodeRefused),
        (lambda folder: (folder / "config.json").write_text('{"auto_map": {}}'), CodeRefused),
        (
            lambda folder: (folder / "tokenizer_config.json").write_text('{"auto_map": {}}'),
            CodeRefused,
        ),
        (lambda folder: (folder / "manifest.json").unlink(), ManifestMissing),
        (lambda folder: (folder / "manifest.json").write_text("{"), ManifestMalformed),
        (lambda folder: (folder / "manifest.json").write_text('{"files": {}}'), ManifestMalformed),
        (lambda folder: (folder / "manifest.json").write_text("[]"), ManifestMalformed),
    ],
)
def test_an_artifact_that_was_changed_is_refused(
    folder: Path, change: Callable[[Path], Any], error: type[ArtifactError]
) -> None:
    write_manifest(folder, name="Writer", licence="MIT-0")
    change(folder)
    with pytest.raises(error, match="model"):
        verify_artifact(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("format", 2, "wanted format 1, got 2"),
        ("context_tokens", 0, "at least 1"),
        ("files", {}, "lists no safetensors"),
        ("files", {"../x.safetensors": {"sha256": "", "size_bytes": 1}}, "leads out of the folder"),
        ("colour", "red", "colour"),
    ],
)
def test_a_manifest_that_says_something_strange_is_refused(
    folder: Path, field: str, value: object, message: str
) -> None:
    write_manifest(folder, name="Writer", licence="MIT-0")
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(ManifestMalformed, match=message):
        read_artifact(folder)


@pytest.mark.parametrize("config", ["{", "[]", "{}", '{"architectures": []}'])
def test_a_configuration_that_is_none_is_refused(folder: Path, config: str) -> None:
    (folder / "config.json").write_text(config)
    with pytest.raises(ManifestMalformed, match=r"config\.json"):
        write_manifest(folder, name="w", licence="x")


def test_a_folder_without_weights_is_no_model(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileMissing, match=r"model\.safetensors"):
        write_manifest(folder, name="w", licence="x")
