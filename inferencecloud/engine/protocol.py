"""The narrow interface that every engine has; the product knows nothing else of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from inferencecloud.engine.requests import NO_GUIDANCE, Request
from inferencecloud.engine.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A loaded model, and its speed on this machine for one request alone, measured at warm-up."""

    key: str
    name: str
    digest: str
    context_tokens: int
    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    guidance_scale: float = NO_GUIDANCE  # of requests that say nothing of it


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterInfo:
    """A loaded low-rank adapter."""

    key: str  # what requests call it
    model: str  # the key of its model
    digest: str  # changes when anything of it changes
    rank: int
    targets: tuple[str, ...]  # the products that it changes: "q_proj", ...
    size_bytes: int  # in memory


class Engine(Protocol):
    """Loads models and writes texts; every method may be called from any thread."""

    def load(self, folder: Path, *, key: str) -> ModelInfo:
        """Load the artifact under the key, verified and warmed up; again is free."""

    def unload(self, key: str) -> None:
        """Forget the model; a request for it that waits fails."""

    def models(self) -> list[ModelInfo]:
        """Return the loaded models."""

    def count_tokens(self, key: str, text: str) -> int:
        """Return how many tokens the text is to the model."""

    def estimate_s(self, key: str, *, prompt_tokens: int, new_tokens: int) -> float:
        """Return about how many seconds such a request takes when it is alone."""

    def submit(self, requests: Sequence[Request]) -> Stage:
        """Hand over a stage: requests that may read one another's output. Returns at once."""

    def close(self) -> None:
        """Cancel what is under way, and end."""


@runtime_checkable
class TakesAdapters(Protocol):
    """An engine that runs adapters of its models, as `Request.adapter` asks; others refuse that."""

    def load_adapter(self, folder: Path, *, model: str, key: str) -> AdapterInfo:
        """Load an adapter of a loaded model; again is free."""

    def unload_adapter(self, key: str, *, model: str) -> None:
        """Forget it; a request with it fails."""

    def adapters(self, model: str) -> list[AdapterInfo]:
        """Return the loaded adapters of a model."""
