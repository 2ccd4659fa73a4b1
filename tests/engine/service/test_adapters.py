"""Adapters are served as models of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from inferencecloud.engine.batching import BatchingEngine
from inferencecloud.engine.config import BatchingConfig
from inferencecloud.engine.service.app import ModelService, NameTaken
from tests.engine.asking import ask, write
from tests.engine.conftest import KEY
from tests.engine.lora import write_adapter
from tests.engine.service.conftest import serving
from tests.engine.service.test_app import HEADERS, _post


@pytest.fixture
def adapted(tiny_artifact: Path, tmp_path: Path) -> Iterator[BatchingEngine]:
    made = BatchingEngine(BatchingConfig(threads=1, device="cpu"))
    made.load(tiny_artifact, key=KEY)
    folder = write_adapter(tmp_path / "brand", tiny_artifact, seed=1, size=0.5)
    made.load_adapter(folder, model=KEY, key="loaded")
    yield made
    made.close()


def test_an_adapter_answers_to_its_own_name(adapted: BatchingEngine) -> None:
    expected = write(adapted, replace(ask("a", "Meet the lamp"), adapter="loaded")).text
    with serving(adapted, adapters={"brand": (KEY, "loaded")}) as url:
        listed = httpx.get(f"{url}/models", headers=HEADERS).json()["data"]
        told = {
            name: _post(url, model=name).json()["choices"][0]["message"]["content"]
            for name in ("brand", KEY)
        }
    assert [(one["id"], one["parent"]) for one in listed] == [("brand", KEY), (KEY, None)]
    assert {one["max_model_len"] for one in listed} == {256}
    assert told["brand"] == expected != told[KEY]


def test_an_adapter_that_was_unloaded_is_not_found(adapted: BatchingEngine) -> None:
    with serving(adapted, adapters={"brand": (KEY, "loaded")}) as url:
        adapted.unload_adapter("loaded", model=KEY)
        answer = _post(url, model="brand")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def test_an_adapter_with_the_name_of_a_model_is_refused(adapted: BatchingEngine) -> None:
    with pytest.raises(NameTaken, match="another name for the adapter tiny"):
        ModelService(adapted, {KEY: KEY}, adapters={KEY: (KEY, "loaded")})
