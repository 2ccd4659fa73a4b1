"""What tests of the whole instance share."""

from collections.abc import Iterator

import pytest
from asgiref.sync import SyncToAsync
from django.db import connections

from apps.realtime.database import close_threads


@pytest.fixture(autouse=True)
def no_thread_keeps_the_old_database() -> Iterator[None]:
    """Close what other threads hold open: a restore puts another file in the database's place."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    close_threads()
