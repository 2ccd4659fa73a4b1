"""The engine of this process: one for all threads, begun when the first step needs it.

`settings.INFERENCE_ENGINE` is the dotted path of a function that makes it. Tests and benchmarks take
`apps.inference.host.scripted_engine`, whose texts cost nothing.
"""

import threading
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from apps.catalog.models import Deployment
from inferencecloud.engine import Engine, ModelInfo, Script, ScriptedEngine


@dataclass
class _Host:
    """What this process has: at most one engine, and the models that it has loaded."""

    engine: Engine | None = None


_host = _Host()
_lock = threading.Lock()
_loading: dict[str, threading.Lock] = {}


def local_engine() -> Engine:
    """Return an engine that runs models in this process."""
    # torch takes seconds to import: only a process that writes pays for it.
    from inferencecloud.engine.local import EngineConfig, TransformersEngine  # noqa: PLC0415

    return TransformersEngine(EngineConfig(threads=settings.ENGINE_THREADS or None))


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


def current() -> Engine | None:
    """Return the engine of this process if it has begun; never begins one."""
    return _host.engine


def close() -> None:
    """End the engine; the next use begins a new one."""
    with _lock:
        if _host.engine is not None:
            _host.engine.close()
        _host.engine = None


def loaded(deployment: Deployment) -> ModelInfo | None:
    """Return the deployment's model when it can write at once; never waits for the engine to begin."""
    key = str(deployment.variant_id)
    models = _host.engine.models() if _host.engine is not None else []
    return next((model for model in models if model.key == key), None)


def load(deployment: Deployment) -> ModelInfo:
    """Return the deployment's model, loaded and warm; this takes seconds the first time."""
    key = str(deployment.variant_id)
    with _lock:
        loading = _loading.setdefault(key, threading.Lock())
    with loading:
        return loaded(deployment) or engine().load(deployment.variant.folder, key=key)
