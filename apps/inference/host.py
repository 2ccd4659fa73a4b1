"""The engines of this process: one for all threads, made when a step first needs it, one for other servers.

`settings.INFERENCE_ENGINE` is the dotted path of a function that makes it. Tests and benchmarks take
`apps.inference.host.scripted_engine`, whose texts cost nothing.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string

from apps.catalog import selectors as catalog
from apps.catalog.models import Deployment, Variant
from apps.core.errors import DomainError
from inferencecloud.artifacts.manifest import MANIFEST_NAME
from inferencecloud.engine import (
    AdapterInfo,
    Engine,
    ModelInfo,
    Request,
    Script,
    ScriptedEngine,
    Stage,
    TakesAdapters,
)
from inferencecloud.engine.mixed import submit_mixed

if TYPE_CHECKING:
    from inferencecloud.engine.remote import RemoteEngine


class AdaptersUnsupported(DomainError):
    """The engine of this process runs no adapters."""

    def __init__(self) -> None:
        super().__init__(
            "Wanted an engine that runs adapters, but the one of this process does not."
        )


class ModelUnknown(DomainError):
    """A name stands for no model."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Wanted the alias of a model or a folder with one, got {name}.")


@dataclass
class _Host:
    """What this process has: at most one engine, and the models that it has loaded."""

    engine: Engine | None = None
    remote: "RemoteEngine | None" = None


_host = _Host()
_lock = threading.Lock()
_loading: dict[str, threading.Lock] = {}


def local_engine() -> Engine:
    """Return an engine that runs models in this process."""
    # torch takes seconds to import: only a process that writes pays for it.
    from inferencecloud.engine.batching import BatchingEngine  # noqa: PLC0415
    from inferencecloud.engine.config import BatchingConfig  # noqa: PLC0415

    return BatchingEngine(
        BatchingConfig(
            threads=settings.ENGINE_THREADS or None,
            kv_bytes=settings.ENGINE_KV_MEMORY_MB * 1024 * 1024,
            kv_bits=settings.ENGINE_KV_BITS or None,
            models_kept=settings.ENGINE_MODELS_KEPT,
            drafts={name: Path(folder) for name, folder in settings.ENGINE_DRAFTS.items()},
            adapters_kept=settings.ENGINE_ADAPTERS_KEPT,
        )
    )


def scripted_engine() -> Engine:
    """Return an engine that writes at once what depends on prompt and seed alone (tests, benchmarks)."""
    options: dict[str, Any] = getattr(settings, "INFERENCE_SCRIPT", {})
    return ScriptedEngine(Script(**options))


def engine() -> Engine:
    """Return the engine of this process."""
    with _lock:
        if _host.engine is None:
            make = import_string(settings.INFERENCE_ENGINE)
            _host.engine = make()
        return _host.engine


def remote_engine() -> "RemoteEngine":
    """Return the engine of this process for models at other servers."""
    from inferencecloud.engine.remote import RemoteEngine  # noqa: PLC0415 - most need no HTTP client

    with _lock:
        if _host.remote is None:
            _host.remote = RemoteEngine()
        return _host.remote


def submit(requests: Sequence[Request]) -> Stage:
    """Hand over a stage, each request to the engine that has its model.

    Raises:
        EngineError: The requests are no stage, or name models that are not loaded.
    """
    distant = set() if _host.remote is None else {info.key for info in _host.remote.models()}
    if not any(request.model in distant for request in requests):
        return engine().submit(requests)
    return submit_mixed(requests, lambda one: remote_engine() if one.model in distant else engine())


def models() -> list[ModelInfo]:
    """Return the models that can write at once."""
    engines = [one for one in (_host.engine, _host.remote) if one is not None]
    return [model for one in engines for model in one.models()]


def current() -> Engine | None:
    """Return the engine of this process if it has begun; never begins one."""
    return _host.engine


def close() -> None:
    """End the engine; the next use begins a new one."""
    with _lock:
        for one in (_host.engine, _host.remote):
            if one is not None:
                one.close()
        _host.engine = _host.remote = None


def loaded(deployment: Deployment) -> ModelInfo | None:
    """Return the deployment's model when it can write at once; never waits for the engine to begin."""
    key = str(deployment.variant_id)
    return next((model for model in models() if model.key == key), None)


def load(deployment: Deployment) -> ModelInfo:
    """Return the deployment's model, loaded and warm; this takes seconds the first time."""
    return loader(deployment)()


def loader(deployment: Deployment) -> Callable[[], ModelInfo]:
    """Return what loads the deployment's model; it asks the database nothing, and so fits any thread.

    Raises:
        SealBroken: The model is at another server, whose key cannot be read.
    """
    key = str(deployment.variant_id)
    with _lock:
        loading = _loading.setdefault(key, threading.Lock())
    open_it = _opener(deployment.variant, key)

    def load_once() -> ModelInfo:
        with loading:
            return loaded(deployment) or open_it()

    return load_once


def unload(variant: Variant) -> None:
    """Forget the variant's model where this process has it; requests for it fail."""
    key = str(variant.pk)
    for one in (_host.engine, _host.remote):
        if one is not None and any(info.key == key for info in one.models()):
            one.unload(key)


def _opener(variant: Variant, key: str) -> Callable[[], ModelInfo]:
    if variant.root == Variant.Root.REMOTE:
        endpoint = catalog.endpoint_of(variant)
        return lambda: remote_engine().connect(endpoint, key=key)
    return lambda: engine().load(variant.folder, key=key)


def load_named(name: str) -> ModelInfo:
    """Return the model of an alias that the whole instance shares, or of a folder; loaded and warm.

    Raises:
        ModelUnknown: It is neither.
        EngineError: It cannot be loaded.
        ArtifactError: The folder's files are not what its manifest says.
    """
    folder = Path(name)
    if (folder / MANIFEST_NAME).is_file():
        return engine().load(folder, key=name)
    deployment = catalog.shared_deployment(name)
    if deployment is None:
        raise ModelUnknown(name)
    return load(deployment)


def load_adapter(folder: Path, *, model: str, key: str) -> AdapterInfo:
    """Return the adapter of a loaded model (its key) from a folder of PEFT's.

    Raises:
        AdaptersUnsupported: This process has an engine without adapters.
        EngineError: It fits not, or there is no room for it.
    """
    taker = engine()
    if not isinstance(taker, TakesAdapters):
        raise AdaptersUnsupported
    return taker.load_adapter(folder, model=model, key=key)
