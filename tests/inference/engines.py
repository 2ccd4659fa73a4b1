"""Engines that behave badly, as real ones do."""

import time
from collections.abc import Sequence
from pathlib import Path

from inferencecloud.engine import (
    Engine,
    EngineError,
    ModelInfo,
    Request,
    ScriptedEngine,
    Stage,
    Text,
)

refused = ""  # name of a folder


class PromptTooLong(EngineError):
    """As the engine of real models calls it."""


class Picky(ScriptedEngine):
    """Loads no model from `refused`, and takes no request that says so."""

    def load(self, folder: Path, *, key: str) -> ModelInfo:
        if folder.name == refused:
            raise GenerationFailedToLoad("the disk is gone")
        return super().load(folder, key=key)

    def submit(self, requests: Sequence[Request]) -> Stage:
        for request in requests:
            for segment in request.messages[0].segments:
                if isinstance(segment, Text) and "[refused]" in segment.text:
                    raise PromptTooLong("9 of 8 tokens")
        return super().submit(requests)


class GenerationFailedToLoad(EngineError):
    """A model cannot be read."""


class SlowToLoad(ScriptedEngine):
    """Takes longer to load than a lease lasts."""

    def load(self, folder: Path, *, key: str) -> ModelInfo:
        time.sleep(1.2)
        return super().load(folder, key=key)


def slow_to_begin() -> Engine:
    """Take as long as importing torch on a small machine."""
    time.sleep(2.5)
    return ScriptedEngine()


def picky() -> Engine:
    return Picky()


def slow_to_load() -> Engine:
    return SlowToLoad()
