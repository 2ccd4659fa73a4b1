"""What all tests share: clean state between them, sign-in, and no silent skips where CI runs."""

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import hypothesis
import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import User
from tests import factories

# A busy machine is no counterexample, and the same code gives the same result every time.
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder."""
    for item in items:
        for mark in ("e2e", "faults"):
            if f"/tests/{mark}/" in str(item.path):
                item.add_marker(getattr(pytest.mark, mark))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that was skipped in CI: what is missing there is a fault of the machine."""
    report = yield
    excused = hasattr(report, "wasxfail") or item.get_closest_marker("gpu")
    if IN_CI and report.skipped and not excused:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {call.excinfo and call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skips itself in CI, for the same reason."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} skips itself, which CI does not allow"
    return report


@pytest.fixture(autouse=True)
def clean_cache() -> Iterator[None]:
    """Forget what earlier tests cached: throttles, counters, health."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def company(db: Any) -> factories.Company:
    """Return a company of two divisions and three workspaces, with an owner only."""
    return factories.company()


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    """Return a function that gives a client signed in as the person."""

    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return client_of
