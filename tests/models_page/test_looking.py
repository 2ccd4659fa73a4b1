"""What is found out about a model before anything is fetched, and what is refused in which words."""

import json
from pathlib import Path
from typing import Any

import pytest

from apps.catalog import folders, imports
from apps.catalog.hub import HubUnreachable
from apps.catalog.outlook import ModelRefused
from inferencecloud.engine.families import Form, form_of, kv_bytes_per_token
from tests.models_page import hubs
from tests.models_page.hubs import COMMIT, Hub


def put(data_dir: Path, name: str = "writer", **files: bytes) -> Path:
    folder = data_dir / "models" / "incoming" / name
    folder.mkdir(parents=True)
    for file, content in (hubs.starter_files() | files).items():
        (folder / file).write_bytes(content)
    return folder


def config_with(**changes: Any) -> bytes:
    return json.dumps(json.loads(hubs.starter_files()["config.json"]) | changes).encode()


@pytest.mark.parametrize(
    "text",
    [
        "alder/writer",
        " alder/writer@main ",
        f"alder/writer@{COMMIT}",
        "https://huggingface.co/alder/writer",
        "https://huggingface.co/alder/writer/tree/main",
    ],
)
def test_a_model_at_the_hub_is_described(hub: Hub, text: str) -> None:
    found = imports.outlook_on(text)
    assert (found.origin, found.revision, found.name) == ("alder/writer", COMMIT, "writer")
    assert (found.licence, found.parameters) == ("apache-2.0", 5065472)
    assert (found.architecture, found.form) == ("LlamaForCausalLM", Form.NATIVE)
    assert found.context_tokens == found.context_possible == 1024
    assert [file.name for file in found.files] == hubs.TAKEN
    assert found.size_bytes == sum(map(len, hubs.starter_files().values()))
    assert all(file.sha256 or file.blob_sha1 for file in found.files)
    assert not [name for name, _range in hub.asked if name.endswith("safetensors")]


def test_pickles_and_code_stay_at_the_hub(hub: Hub) -> None:
    more = {"pytorch_model.bin": b"x", "run.py": b"x", "onnx/model.onnx": b"x", "LICENSE": b"mine"}
    hub.repositories["alder/writer"] |= more
    names = [file.name for file in imports.outlook_on("alder/writer").files]
    assert names == sorted([*hubs.TAKEN, "LICENSE"])


def test_what_the_hub_has_not_is_refused(hub: Hub) -> None:
    with pytest.raises(ModelRefused, match="There is no model alder/nothing"):
        imports.outlook_on("alder/nothing")
    with pytest.raises(ModelRefused, match="no such revision"):
        imports.outlook_on("alder/writer@nowhere")


def test_a_model_for_those_who_agreed_says_so(hub: Hub) -> None:
    hub.gated.add("alder/writer")
    with pytest.raises(ModelRefused, match=r"agreed to its terms.*MODEL_HUB_TOKEN"):
        imports.outlook_on("alder/writer")


@pytest.mark.parametrize(
    ("removed", "added", "words"),
    [
        (["model.safetensors"], {"pytorch_model.bin": b"x"}, "only as pickles"),
        (["model.safetensors"], {"adapter_model.safetensors": b"x"}, "an adapter"),
        (["model.safetensors"], {}, "no weights"),
        (["model.safetensors"], {"model-00001-of-00002.safetensors": b"x"}, "list .* is missing"),
        (["config.json"], {}, "no config.json"),
        (
            [],
            {"config.json": config_with(auto_map={"AutoModel": "m.M"})},
            "program code of its own",
        ),
        ([], {"tokenizer_config.json": b'{"auto_map": {}}'}, "program code of its own"),
        ([], {"config.json": b"[]"}, "no JSON object"),
        ([], {"config.json": b"{"}, "no JSON"),
        ([], {"config.json": config_with(architectures=["BertModel"])}, "does not write text"),
        ([], {"config.json": config_with(model_type="mine")}, "does not write text"),
        ([], {"config.json": config_with(max_position_embeddings=64)}, "only 64 tokens"),
    ],
)
def test_what_cannot_be_used_is_refused_alike_from_hub_and_folder(
    hub: Hub, data_dir: Path, removed: list[str], added: dict[str, bytes], words: str
) -> None:
    files = hubs.starter_files() | added
    for name in removed:
        del files[name]
    hub.repositories["alder/writer"] = files
    folder = put(data_dir, **added)
    for name in removed:
        (folder / name).unlink()
    with pytest.raises(ModelRefused, match=words):
        imports.outlook_on("alder/writer")
    with pytest.raises(ModelRefused, match=words):
        imports.outlook_on("writer")


def test_a_hub_that_is_not_there_leads_to_the_folder(data_dir: Path, settings: Any) -> None:
    settings.MODEL_HUB_URL = "http://127.0.0.1:9"
    with pytest.raises(
        HubUnreachable, match=r"cannot reach the model hub 127\.0\.0\.1:9.*Use a folder"
    ):
        imports.outlook_on("alder/writer")
    settings.MODEL_HUB_URL = ""
    with pytest.raises(HubUnreachable, match="uses no model hub"):
        imports.outlook_on("alder/writer")


@pytest.mark.parametrize(
    "text", ["https://evil.example/alder/writer", "http://169.254.169.254/latest/meta-data"]
)
def test_no_other_host_is_ever_asked(hub: Hub, text: str) -> None:
    with pytest.raises(ModelRefused, match="Nothing else is ever fetched"):
        imports.outlook_on(text)
    assert hub.asked == []


def test_a_full_disk_is_said_before_anything_is_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.catalog.outlook.DISK_RESERVE_BYTES", 1 << 60)
    with pytest.raises(ModelRefused, match="Make room under DATA_DIR"):
        imports.outlook_on("alder/writer")


def test_a_folder_is_described_by_its_name_or_path(data_dir: Path) -> None:
    folder = put(data_dir)
    for text in ("writer", str(folder)):
        found = imports.outlook_on(text)
        assert (found.source, found.origin, found.name) == ("folder", str(folder), "writer")
    assert folders.offered() == [folder]
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    assert imports.outlook_on("writer").licence == "mit"


@pytest.mark.parametrize("text", ["../..", "/etc", ".", "", "nothing", "writer/../../.."])
def test_a_folder_elsewhere_is_refused(data_dir: Path, text: str) -> None:
    put(data_dir)
    with pytest.raises(ModelRefused, match="Wanted a folder beneath"):
        folders.folder_at(text)


def test_a_link_that_leads_out_is_refused(data_dir: Path, tmp_path: Path) -> None:
    folder = put(data_dir)
    outside = tmp_path / "secret"
    outside.mkdir()
    (folder.parent / "link").symlink_to(outside)
    with pytest.raises(ModelRefused, match="Wanted a folder beneath"):
        imports.outlook_on("link")
    (outside / "notes").write_text("mine")
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(outside / "notes")
    with pytest.raises(ModelRefused, match="leads out of the folders"):
        imports.outlook_on("writer")


def test_only_the_folders_of_the_settings_count(
    data_dir: Path, tmp_path: Path, settings: Any
) -> None:
    put(data_dir)
    settings.MODEL_FOLDERS = [str(tmp_path / "elsewhere")]
    with pytest.raises(ModelRefused, match="elsewhere"):
        imports.outlook_on("writer")


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 200, hubs.starter_files()["model.safetensors"][:-9]]
)
def test_damaged_weights_are_refused_in_words(data_dir: Path, content: bytes) -> None:
    put(data_dir, **{"model.safetensors": content})
    with pytest.raises(ModelRefused, match="no sound safetensors file"):
        imports.outlook_on("writer")


def test_the_context_is_held_to_the_memory_for_it(data_dir: Path, settings: Any) -> None:
    config = json.loads(config_with(max_position_embeddings=131072))
    put(data_dir, **{"config.json": json.dumps(config).encode()})
    settings.ENGINE_KV_MEMORY_MB = 32
    found = imports.outlook_on("writer")
    assert found.context_possible == 131072
    room = settings.ENGINE_KV_MEMORY_MB * 2**20
    assert 0.8 * room < found.context_tokens * kv_bytes_per_token(config) <= room


def test_how_a_model_runs_is_told_from_its_settings() -> None:
    def form(kind: str, architecture: str = "XForCausalLM") -> Form:
        return form_of({"model_type": kind, "architectures": [architecture]})

    assert form("qwen3") == form("gpt2", "GPT2LMHeadModel") == Form.NATIVE
    assert form("phi3") == Form.TRANSFORMERS
    assert form("unheard_of") == form_of({}) == Form.NONE
