"""A hub of our own, a folder for data, and people who may."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.catalog import tasks
from tests.factories import Company
from tests.models_page import hubs


@pytest.fixture
def data_dir(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path / "data"
    settings.MODEL_FOLDERS = []
    return Path(settings.DATA_DIR)


@pytest.fixture
def hub(data_dir: Path, settings: Any) -> Iterator[hubs.Hub]:
    with hubs.running() as running:
        settings.MODEL_HUB_URL = running.url
        running.repositories["alder/writer"] = hubs.starter_files()
        yield running


@pytest.fixture
def operator(company: Company) -> User:
    accounts.make_operator(user=company.owner)
    return company.owner


@pytest.fixture(autouse=True)
def called() -> Iterator[list[str]]:
    """Return the imports that a worker was called for; none is there."""
    ids: list[str] = []
    with patch.object(tasks.fetch_model, "delay", lambda *, import_id: ids.append(import_id)):
        yield ids
