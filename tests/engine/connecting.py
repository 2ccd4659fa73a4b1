"""An engine that is connected to the stub server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from inferencecloud.engine.endpoint import Endpoint
from inferencecloud.engine.remote import RemoteConfig, RemoteEngine
from tests.engine.stub_server import Answer, Stub, serving

QUICK = RemoteConfig(
    workers=4, connect_s=2, first_token_s=1, between_tokens_s=1, attempts=3, back_off_s=0.01
)
LAMP = "Meet the lamp that reads with you."


@contextmanager
def connected(
    *answers: Answer,
    config: RemoteConfig = QUICK,
    stub: dict[str, Any] | None = None,
    **endpoint: Any,
) -> Iterator[tuple[RemoteEngine, Stub]]:
    with serving(*answers, **(stub or {})) as server:
        engine = RemoteEngine(config)
        try:
            engine.connect(
                Endpoint(base_url=server.url, model="big", allow_private=True, **endpoint),
                key="tiny",
            )
            yield engine, server
        finally:
            engine.close()
