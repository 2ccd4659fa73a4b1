"""Fixtures about notebooks."""

import pytest

from apps.realtime import publish
from apps.realtime.events import Event


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Event]]:
    """Collect topic and event of everything that is published, at once instead of on commit."""
    events: list[tuple[str, Event]] = []
    monkeypatch.setattr(publish, "on_commit", lambda topic, event: events.append((topic, event)))
    return events
