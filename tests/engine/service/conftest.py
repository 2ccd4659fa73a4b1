"""The service on a real socket, over whatever engine a test wants."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
import uvicorn

from inferencecloud.engine import Engine
from inferencecloud.engine.service.app import ModelService

Serve = Callable[..., object]
TOKEN = "a-token-of-the-tests"


@contextmanager
def serving(
    engine: Engine, *, token: str = TOKEN, adapters: Mapping[str, tuple[str, str]] | None = None
) -> Iterator[str]:
    """Serve the engine's models under their keys; yield the address up to and with /v1."""
    models = {info.key: info.key for info in engine.models()}
    service = ModelService(engine, models, adapters=adapters, token=token)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(service, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="session")
def reference(engine: Engine) -> Iterator[str]:
    """Return the address of the tiny model's service."""
    with serving(engine) as url:
        yield url
