"""Fixtures about notebooks."""

from collections.abc import Iterator

import pytest

from apps.notebooks import mirrors
from apps.organizations.models import Role
from apps.realtime import publish
from apps.realtime.database import close_threads
from apps.realtime.events import Event
from tests import factories
from tests.notebooks.sockets import Room


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Event]]:
    """Collect topic and event of everything that is published, at once instead of on commit."""
    events: list[tuple[str, Event]] = []
    monkeypatch.setattr(publish, "on_commit", lambda topic, event: events.append((topic, event)))
    return events


@pytest.fixture
def threads_end() -> Iterator[None]:
    """Give the database back before the test's tables are emptied."""
    yield
    close_threads()
    mirrors.forget_all()


@pytest.fixture
def room(company: factories.Company) -> Room:
    """Return a notebook with somebody for each thing that a person may do."""
    owner = factories.member(company.launches)
    return Room(
        notebook=factories.notebook(company.launches, by=owner),
        owner=owner,
        editor=factories.member(company.launches, Role.EDITOR),
        viewer=factories.member(company.launches, Role.VIEWER),
        stranger=factories.member(company.shops, Role.EDITOR),
    )
