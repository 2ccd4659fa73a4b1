"""Only our own pages open sockets, and only while their session lasts."""

import asyncio
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection

from apps.realtime.database import close_threads, in_database
from apps.realtime.sockets import is_own_origin, still_signed_in
from tests import factories
from tests.notebooks.browsers import session_of


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("https://inference.example", "inference.example", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://trusted.example", "inference.example", True),
        ("http://127.0.0.1:9000", "127.0.0.1:8000", False),
        ("https://evil.example", "inference.example", False),
        ("https://inference.example.evil.example", "inference.example", False),
        ("https://evil.example", "evil.example", False),
        ("null", "inference.example", False),
        ("", "inference.example", False),
        ("", "", False),
    ],
)
def test_a_socket_opens_only_from_a_page_of_its_own_host(
    settings: Any, origin: str, host: str, own: bool
) -> None:
    settings.ALLOWED_HOSTS = ["inference.example", "127.0.0.1", "[::1]"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://trusted.example"]
    assert is_own_origin(origin, host) is own


@pytest.mark.django_db
def test_a_session_counts_until_it_ends() -> None:
    user = factories.person()
    key = session_of(user)
    assert still_signed_in(user.pk, key)
    assert not still_signed_in(factories.person().pk, key)
    assert not still_signed_in(user.pk, None)
    assert not still_signed_in(user.pk, "no-such-session")
    Session.objects.all().delete()
    assert not still_signed_in(user.pk, key)


@pytest.mark.django_db
def test_a_session_ends_with_the_password_and_with_the_account() -> None:
    user, other = factories.person(), factories.person()
    keys = session_of(user), session_of(other)
    user.set_password("another-long-password")
    user.save()
    other.is_active = False
    other.save()
    assert not still_signed_in(user.pk, keys[0])
    assert not still_signed_in(other.pk, keys[1])


@pytest.mark.django_db(transaction=True)
async def test_work_in_the_database_leaves_the_loop_free_and_survives_an_error() -> None:
    def fails() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")

    def works() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return int(cursor.fetchone()[0])

    with pytest.raises(DatabaseError):
        await in_database(fails)
    assert await asyncio.gather(*[in_database(works) for _ in range(20)]) == [1] * 20
    close_threads()
    close_threads()
    assert await in_database(works) == 1
    close_threads()
