"""A scripted engine per test, and a channel layer that remembers what was sent."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from channels.layers import channel_layers

from apps.inference import host, outbox
from apps.organizations.models import Organization
from apps.realtime import publish
from inferencecloud.celery import app
from tests.factories import Company
from tests.inference import listening
from tests.inference.builders import deployment

Play = Callable[..., None]
Calls = list[tuple[str, str, dict[str, str]]]


@pytest.fixture(autouse=True)
def no_consumers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what other apps do with outputs."""
    monkeypatch.setattr(outbox, "_consumers", {})


@pytest.fixture
def play(settings: Any) -> Iterator[Play]:
    """Return a function that sets what the engine of this test plays."""

    def script(**options: Any) -> None:
        host.close()
        settings.INFERENCE_SCRIPT = options

    host.close()
    yield script
    host.close()


@pytest.fixture
def organization(company: Company, settings: Any) -> Organization:
    """Return an organization with a writer and no limits worth mentioning."""
    settings.INFERENCE_RUNS_PER_ORGANIZATION = 10_000
    deployment()
    deployment("other", pool="other")
    return company.organization


@pytest.fixture
def sent(settings: Any) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return a function that gives every event sent so far, in order."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.inference.listening.Remembering"}}
    channel_layers.backends.clear()
    listening.events.clear()

    def so_far() -> list[dict[str, Any]]:
        # Publishing does not wait: whatever was handed over before this call has passed after it.
        loop = publish._publishing_loop()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(5)
        time.sleep(0.01)
        return list(listening.events)

    yield so_far
    channel_layers.backends.clear()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Collect the calls to workers at the border to the broker."""
    made: Calls = []

    def send_task(name: str, *, kwargs: dict[str, str], queue: str, **_options: Any) -> None:
        made.append((name, queue, kwargs))

    monkeypatch.setattr(app, "send_task", send_task)
    return made
