"""Engines that behave badly, as real ones do."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from django.conf import settings

from inferencecloud.engine import (
    Engine,
    EngineError,
    ModelInfo,
    Request,
    Script,
    ScriptedEngine,
    Stage,
    Text,
)

refused = ""  # name of a folder
NOTES = "asked.jsonl"  # under DATA_DIR


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


class Noting(ScriptedEngine):
    """Notes what it is asked to say and not to say and how long, one line of JSON for each request."""

    def submit(self, requests: Sequence[Request]) -> Stage:
        with (Path(settings.DATA_DIR) / NOTES).open("a") as notes:
            for request in requests:
                said = [one.text for one in request.messages[-1].segments if isinstance(one, Text)]
                sampling = request.sampling
                length = asdict(sampling.length) if sampling.length else None
                note = {"required": sampling.required, "banned": sampling.banned, "prompt": said}
                notes.write(json.dumps({**note, "length": length}) + "\n")
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


def noting() -> Engine:
    return Noting(Script(**settings.INFERENCE_SCRIPT))


def slow_to_load() -> Engine:
    return SlowToLoad()
