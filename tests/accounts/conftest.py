"""Fixtures about people."""

import pytest

from apps.accounts.models import User
from tests import factories


@pytest.fixture
def mara(db: None) -> User:
    """Return a person who can sign in."""
    return factories.person("Mara Lindqvist", email="mara@example.com")
