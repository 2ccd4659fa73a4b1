"""Fixtures about organizations."""

import pytest

from apps.realtime import publish
from apps.realtime.access import AccessChanged
from apps.realtime.events import Event
from tests.organizations.fixtures import Told


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Collect the topics on which rights were said to have changed, at once instead of on commit."""
    topics: Told = []

    def note(topic: str, event: Event) -> None:
        assert isinstance(event, AccessChanged)
        topics.append(topic)

    monkeypatch.setattr(publish, "on_commit", note)
    return topics
