"""A model that could read more than there is memory for is taken in so that the engine loads it."""

import json
from pathlib import Path
from typing import Any

from apps.catalog import imports
from inferencecloud.artifacts.manifest import write_manifest
from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from tests.models_page import hubs


def test_the_engine_loads_a_model_whose_context_was_cut(data_dir: Path, settings: Any) -> None:
    settings.ENGINE_KV_MEMORY_MB = 32
    folder = data_dir / "models" / "incoming" / "long"
    folder.mkdir(parents=True)
    for name, content in hubs.starter_files().items():
        (folder / name).write_bytes(content)
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 131072}
    (folder / "config.json").write_text(json.dumps(config))
    found = imports.outlook_on("long")
    write_manifest(folder, name="long", licence="", context_tokens=found.context_tokens)

    engine = BatchingEngine(BatchingConfig(threads=1, kv_bytes=32 * 2**20))
    try:
        info = engine.load(folder, key="long")
    finally:
        engine.close()
    assert info.context_tokens == found.context_tokens < found.context_possible
