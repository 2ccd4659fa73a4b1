"""Wrong passwords are counted, and who guesses is told when to come back."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from tests import factories
from tests.factories import PASSWORD


@pytest.fixture(autouse=True)
def counting(settings: Any) -> None:
    settings.AXES_ENABLED = True


@pytest.fixture
def nora(db: None) -> User:
    return factories.person("Nora", email="nora@example.com")


def _try(client: Client, password: str, *, email: str = "nora@example.com") -> int:
    answer = client.post("/accounts/login/", {"login": email, "password": password})
    return answer.status_code


def test_the_ninth_wrong_password_is_refused_and_the_page_says_when_to_come_back(
    nora: User, client: Client
) -> None:
    for _ in range(7):
        assert _try(client, "wrong") == 200
    assert _try(client, "wrong") == 429
    answer = client.post("/accounts/login/", {"login": "nora@example.com", "password": "wrong"})
    assert answer.status_code == 429
    assert "Try again in 15 minutes" in answer.text
    assert 0 < int(answer["Retry-After"]) <= 900


def test_not_even_the_right_password_opens_the_lock(nora: User, client: Client) -> None:
    for _ in range(8):
        _try(client, "wrong")
    assert _try(client, PASSWORD) == 429
    assert "_auth_user_id" not in client.session


def test_the_lock_opens_by_itself_and_trying_meanwhile_does_not_prolong_it(
    nora: User, client: Client
) -> None:
    for _ in range(8):
        _try(client, "wrong")
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14, seconds=30))
    answer = client.post("/accounts/login/", {"login": "nora@example.com", "password": "wrong"})
    assert "Try again in one minute" in answer.text
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=16))
    assert _try(client, PASSWORD) == 302


def test_upper_case_is_the_same_address(nora: User, client: Client) -> None:
    for n in range(8):
        _try(client, "wrong", email="NORA@example.com" if n % 2 else "nora@example.com")
    assert _try(client, PASSWORD) == 429


def test_an_address_without_an_account_is_counted_alike(db: None, client: Client) -> None:
    for _ in range(7):
        assert _try(client, "wrong", email="nobody@example.com") == 200
    assert _try(client, "wrong", email="nobody@example.com") == 429


def test_one_person_s_lock_is_nobody_else_s(nora: User, client: Client) -> None:
    other = factories.person()
    for _ in range(8):
        _try(client, "wrong")
    assert _try(client, PASSWORD, email=other.email) == 302


def test_a_success_begins_the_count_anew(nora: User, client: Client) -> None:
    for _ in range(7):
        _try(client, "wrong")
    assert _try(client, PASSWORD) == 302
    client.post("/accounts/logout/")
    assert _try(client, "wrong") == 200


def test_passwords_are_not_kept_with_the_attempts(nora: User, client: Client) -> None:
    _try(client, "wrong-but-nearly")
    assert "wrong-but-nearly" not in str(AccessAttempt.objects.values().get())
